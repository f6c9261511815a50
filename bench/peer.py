"""One library that compares two arrays; started by ``peers.py`` in the library's own environment.

``python peer.py CASE ARRAYS``: fits the reference, then compares once for each line of its input
and answers with the seconds of its process's CPU and the megabytes of memory that it took at most.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Compare = Callable[[], object]


def five_statistics(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Judge the rows as a window: PSI, KS, KL, JS and Wasserstein of each feature, and its test."""
    from tidegauge.batch import Table
    from tidegauge_drift import build
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.wanted import Wanted
    from tidegauge_drift.window import ClosedWindow, WindowSpec
    from tidegauge_drift.window_judge import judge

    layout = Layout(build(reference), Wanted(kl=True, js=True, wasserstein=True))
    rows, features = current.shape
    spec, table, columns = (
        WindowSpec.parse("1d"),
        Table(rows, None, matrix=current),
        range(features),
    )

    def run() -> object:
        counts, extra = layout.inputs.measure(table, tuple(columns))
        window = ClosedWindow(spec, 0, 86_400, rows, 1, 1, 30.0, counts, extra=extra)
        return judge(window, layout, 1, None)

    (first, *_) = run().features  # type: ignore[attr-defined]
    found = first.finding
    values = [found.psi, found.ks, found.kl, found.js, found.wasserstein]
    assert None not in values, values
    return run


def report(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Make the whole report: statistics, tests, summaries, histograms, verdicts."""
    from tidegauge_drift import compare
    from tidegauge_drift.builder import build

    profile = build(reference)
    return lambda: compare(profile, current)


def exact_ks(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Compute the exact KS statistic with numpy, the reference sorted before."""
    columns = np.sort(reference.T, axis=1)

    def one(before: np.ndarray, values: np.ndarray) -> float:
        now = np.sort(values)
        below = np.arange(1, now.size + 1) / now.size
        right = np.searchsorted(before, now, "right") / before.size - below
        left = np.searchsorted(before, now, "left") / before.size - below + 1 / now.size
        return float(max(np.abs(right).max(), np.abs(left).max()))

    return lambda: [one(column, current[:, j]) for j, column in enumerate(columns)]


def frouros_psi(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Compare each column by a detector of its own."""
    from frouros.detectors.data_drift import PSI

    detectors = [PSI() for _ in reference.T]
    for detector, column in zip(detectors, reference.T, strict=True):
        detector.fit(X=column)
    return lambda: [
        detector.compare(X=column) for detector, column in zip(detectors, current.T, strict=True)
    ]


def frame(array: np.ndarray) -> Any:
    """Return a DataFrame with names."""
    import pandas as pd

    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])


def nannyml_ks(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Compare all columns by one calculator, the current rows in one chunk."""
    import nannyml

    before, now = frame(reference), frame(current)
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(before.columns),
        continuous_methods=["kolmogorov_smirnov"],
        chunk_size=len(now),
    ).fit(before)
    return lambda: calculator.calculate(now)


def evidently_psi(reference: np.ndarray, current: np.ndarray) -> Compare:
    """Run the preset and read its numbers, as its documentation does."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before, now = frame(reference), frame(current)
    columns = DataDefinition(numerical_columns=list(now.columns))

    def run() -> object:
        sides = [Dataset.from_pandas(side, data_definition=columns) for side in (now, before)]
        return Report([DataDriftPreset(method="psi")]).run(*sides).dict()

    return run


CASES = {
    function.__name__: function
    for function in (five_statistics, report, exact_ks, frouros_psi, nannyml_ks, evidently_psi)
}


def megabytes(field: str) -> float:
    """Return a figure of this process's memory."""
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # nannyml reports home otherwise
    with np.load(sys.argv[2]) as arrays:
        compare = CASES[sys.argv[1]](arrays["reference"], arrays["current"])
    compare()  # what is imported and compiled by the first one
    print("fitted", flush=True)
    for _ in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # begins the peak anew
        before, begun = megabytes("VmRSS"), time.process_time()
        compare()
        seconds = time.process_time() - begun
        print(json.dumps([seconds, megabytes("VmHWM") - before]), flush=True)
