"""Evidently's default verdict, in an environment of its own; started by ``rules.py``.

Each line of the input names a file of arrays: ``r0``, ``c0`` and so on are the numbers of the
reference and of the window, ``R17``, ``C17`` the rows of each category. The answer is a line with
the columns that its preset calls drifted.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def table(arrays: dict[str, np.ndarray], side: str) -> Dataset:
    """Return one side as Evidently wants it."""
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if name[0] == side:
            columns[f"x{name[1:]}"] = values
        elif name[0] == side.upper():
            labels = np.array([f"level{i}" for i in range(values.size)], object)
            columns[f"x{name[1:]}"] = np.repeat(labels, values.astype(np.int64))
    numbers = [f"x{name[1:]}" for name in arrays if name[0] == side]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[n for n in columns if n not in numbers]
    )
    return Dataset.from_pandas(pd.DataFrame(columns), data_definition=definition)


def drifted(arrays: dict[str, np.ndarray]) -> list[str]:
    """Return the columns that the preset flags."""
    run = Report([DataDriftPreset()]).run(table(arrays, "c"), table(arrays, "r"))
    found = []
    for metric in run.dict()["metrics"]:
        config = metric["config"]
        if "column" in config:
            value, limit = float(metric["value"]), config["threshold"]
            small = "p_value" in config["method"]
            if value < limit if small else value >= limit:
                found.append(config["column"])
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        with np.load(line.strip()) as content:
            print(json.dumps(drifted(dict(content))), flush=True)
