"""Models whose class stands in a training script load anywhere, and are recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DUMP = """
import cloudpickle
import numpy as np
from catboost import CatBoostClassifier
from tidegauge_catboost import CatBoostInstrumentor
CatBoostInstrumentor().instrument(skip_dep_check=True)

class Mine(CatBoostClassifier):
    def predict(self, data):
        return super().predict(data).tolist()

rows = np.random.default_rng(0).normal(size=(20, 3))
model = Mine(iterations=2, verbose=False, allow_writing_files=False).fit(rows, [0, 1] * 10)
with open("model.cloudpickle", "wb") as file:
    file.write(cloudpickle.dumps((model, rows, model.predict(rows))))
"""
WITHOUT = """
import pickle, sys
sys.modules["tidegauge"] = None
with open("model.cloudpickle", "rb") as file:
    model, rows, expected = pickle.load(file)
assert model.predict(rows) == expected
print([name for name in sys.modules if name.startswith("tidegauge_")])
"""
WITH = """
import pickle
from tidegauge_catboost import CatBoostInstrumentor
from tidegauge_testkit.recording import Recording
CatBoostInstrumentor().instrument(skip_dep_check=True)
with Recording() as recording, open("model.cloudpickle", "rb") as file:
    model, rows, expected = pickle.load(file)
    assert model.predict(rows) == expected
    print(*recording.counts(), recording.calls(), recording.faults())
"""


def said(program: str, folder: Path) -> str:
    """Return what a process of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def test_a_class_of_a_script_is_recorded_where_it_is_loaded(tmp_path: Path) -> None:
    """The class comes by value in the pickle; the pickle holds nothing of Tidegauge."""
    said(DUMP, tmp_path)
    assert said(WITHOUT, tmp_path) == "[]\n"
    assert said(WITH, tmp_path) == "('Mine', 'predict') 1 {}\n"
