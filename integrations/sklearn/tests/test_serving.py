"""What a serving process does: handlers, names, loaded files, drift, a whole life of a model."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tidegauge import set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge.operations import rank
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording


def test_a_handler_that_asks_twice_serves_its_rows_once(
    recording: Recording, rows: Any, labels: Any
) -> None:
    """Of predict_proba and predict on the same rows, one feeds drift: its rows are those served."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    for start in range(0, 40, 4):
        served = rows[start : start + 4]
        model.predict_proba(served)
        model.predict(served)
    counts = recording.counts()
    assert {key[1]: count.success for key, count in counts.items()} == {
        "predict_proba": 10,
        "predict": 10,
    }
    by_operation: dict[str, int] = {}
    for batch in recording.batches():
        assert batch.features is not None
        by_operation[batch.operation] = by_operation.get(batch.operation, 0) + batch.features.rows
    assert by_operation[max(by_operation, key=rank)] == 40
    assert by_operation == {"predict_proba": 40, "predict": 40}
    assert recording.values() == {("Pipeline[LogisticRegression]", "1"): 40}


def test_drift_counts_the_rows_of_such_a_handler_once(
    tmp_path: Path, rows: Any, labels: Any
) -> None:
    """A hundred rows served by two operations fill a window of 100 rows, and none of 150."""
    pytest.importorskip("tidegauge_drift.processor", reason="a sibling that need not be installed")
    program = tmp_path / "program.py"
    program.write_text(_DRIFT)
    environment = os.environ | {"TIDEGAUGE_REFERENCE": str(tmp_path), "TIDEGAUGE_DRIFT_PANE_S": "1",
                                "TIDEGAUGE_DRIFT_WINDOWS": "100rows,150rows"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", program, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"100rows": 100.0}


_DRIFT = """
import json, sys
from pathlib import Path
import numpy as np
from tidegauge_sklearn import SklearnInstrumentor
SklearnInstrumentor().instrument(skip_dep_check=True)
from sklearn.linear_model import LogisticRegression
from tidegauge import pipeline
from tidegauge.runtime import shared
from tidegauge_drift import build, save
from tidegauge_drift.processor import DriftProcessor
from tidegauge_testkit.recording import Recording

rows = np.random.default_rng(1).normal(size=(1000, 2))
model = LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(int))
save(build(rows), Path(sys.argv[1]) / "LogisticRegression.reference.json")
processor = DriftProcessor()
now = [1_700_000_000.0]
shared.clock = lambda: now[0]
with Recording(processors=[processor]) as recording:
    for start in range(0, 100, 5):
        served = rows[start : start + 5]
        model.predict_proba(served)
        model.predict(served)
        now[0] += 0.5
    recording.calls()
    now[0] += 30
    recording.calls()
    filled = {
        dict(zip(point.spec.attributes, point.attributes))["window"]: point.value
        for point in processor.points()
        if point.spec.name == "drift.window.rows"
    }
    assert recording.faults() == {}, recording.faults()
print(json.dumps(filled))
"""


def test_models_of_one_process_stay_apart(recording: Recording, rows: Any, labels: Any) -> None:
    """Two models have their own counts, names of features and rows."""
    first = LogisticRegression().fit(rows, labels)
    frame = pd.DataFrame(rows[:, :2], columns=["age", "income"])
    second = LinearRegression().fit(frame, labels)
    for _ in range(3):
        first.predict(rows[:2])
    second.predict(frame)
    assert {key: count.rows for key, count in recording.counts().items()} == {
        ("LogisticRegression", "predict"): 6,
        ("LinearRegression", "predict"): 40,
    }
    found = {batch.model.name: batch.features for batch in recording.batches()}
    assert found["LogisticRegression"] is not None
    assert found["LinearRegression"] is not None
    assert found["LogisticRegression"].names is None
    assert found["LinearRegression"].names == ("age", "income")


def test_two_versions_are_two_models(recording: Recording, rows: Any, labels: Any) -> None:
    """A canary beside the live model has its own counts."""
    live, canary = (LogisticRegression(C=c).fit(rows, labels) for c in (1.0, 0.1))
    set_model_info(live, "fraud", "3")
    set_model_info(canary, "fraud", "4")
    live.predict(rows)
    canary.predict(rows)
    assert recording.versions() == {("fraud", "3"), ("fraud", "4")}


def test_a_name_is_no_path_and_no_essay(recording: Recording, rows: Any, labels: Any) -> None:
    """Names are cut and cleaned; what is no name is refused at once."""
    model = LogisticRegression().fit(rows, labels)
    set_model_info(model, "  " + "x" * 500 + "  ", "1")
    model.predict(rows)
    assert recording.models() == {"x" * 200}
    for wrong in ("", "  ", None, 3):
        with pytest.raises(ValueError, match="expected a non-empty text"):
            set_model_info(model, wrong)  # type: ignore[arg-type]


def test_one_name_for_two_models_is_said(
    instrumented: SklearnInstrumentor, rows: Any, labels: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """``TIDEGAUGE_MODEL_NAME`` in a process with two models mixes them: one WARNING says so."""
    with Recording(CoreSettings(model_name="churn")) as recording:
        LogisticRegression().fit(rows, labels).predict(rows)
        LogisticRegression().fit(rows, labels).predict(rows)
        assert [record for record in caplog.records if "churn" in record.getMessage()] == []
        LinearRegression().fit(rows, labels).predict(rows)
        LinearRegression().fit(rows[:, :2], labels).predict(rows[:, :2])
        assert recording.models() == {"churn"}
    said = [record.getMessage() for record in caplog.records if "churn" in record.getMessage()]
    assert len(said) == 1
    assert "set_model_info" in said[0]


def test_the_environment_names_a_model(tmp_path: Path) -> None:
    """``TIDEGAUGE_MODEL_NAME`` is read without any set-up in code."""
    code = """
import numpy as np
from tidegauge_sklearn import SklearnInstrumentor
SklearnInstrumentor().instrument(skip_dep_check=True)
from sklearn.linear_model import LinearRegression
from tidegauge import pipeline
LinearRegression().fit([[0.0], [1.0]], [0, 1]).predict([[0.5]])
pipeline.flush()
print(*((key.name, key.version) for key in pipeline.current().tally.rows))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TIDEGAUGE_MODEL_NAME": "churn", "TIDEGAUGE_MODEL_VERSION": "7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "('churn', '7')\n"


def test_a_model_loaded_from_a_file_is_recorded(
    tmp_path: Path, recording: Recording, rows: Any, labels: Any
) -> None:
    """Dumped before or after instrumenting, by joblib or pickle: it counts, under its class."""
    file = tmp_path / "secret" / "model.joblib"
    file.parent.mkdir()
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels), file)
    for _ in range(2):
        joblib.load(file).predict(rows)
        joblib.load(file, mmap_mode="r").predict(rows)
    assert recording.calls() == 4
    assert recording.models() == {"Pipeline[LogisticRegression]"}


def test_a_cancelled_handler_is_no_error(recording: Recording, rows: Any) -> None:
    """Who cancels a task while its thread predicts leaves a finished call; who raises, a cancel."""
    started, release = threading.Event(), threading.Event()

    class Slow(BaseEstimator):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            started.set()
            release.wait(10)
            return np.zeros(len(X))

    async def serve() -> None:
        task = asyncio.create_task(asyncio.to_thread(Slow().predict, rows))
        while not started.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.001)
        task.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(serve())
    (counts,) = recording.counts().values()
    assert (counts.success, counts.cancelled, dict(counts.errors)) == (1, 0, {})


def test_errors_are_told_apart_and_bounded(recording: Recording, rows: Any) -> None:
    """At most twenty types have a count of their own."""
    kinds = [type(f"Error{i}", (Exception,), {}) for i in range(30)]
    waiting = list(kinds)

    class Broken(BaseEstimator):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            raise waiting.pop()("some text of the user's")

    model = Broken()
    for _ in kinds:
        with pytest.raises(Exception, match="some text"):
            model.predict(rows)
    errors = recording.errors()
    assert sum(errors.values()) == 30
    assert len(errors) == 21
    assert not any("text" in name for name in errors)


FACTS: dict[str, Callable[[Any], Any]] = {
    "classes_": lambda _: (_ for _ in ()).throw(RuntimeError("no")),
    "feature_names_in_": lambda _: (_ for _ in ()).throw(ValueError("no")),
    "__sklearn_tags__": lambda _: (_ for _ in ()).throw(AttributeError("no")),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_model_that_does_not_know_itself_is_recorded(
    fact: str, recording: Recording, rows: Any
) -> None:
    """What an estimator raises when it is asked what it is stays inside; its class is its name."""
    Odd = type(  # noqa: N806 - a class
        "Odd",
        (BaseEstimator,),
        {fact: property(FACTS[fact]), "predict": lambda _, X: np.zeros(len(X))},  # noqa: N803
    )
    assert len(Odd().predict(rows)) == 40
    assert recording.calls() == 1
    assert recording.models() == {"Odd"}
