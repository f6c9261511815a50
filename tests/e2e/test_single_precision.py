"""Models with a reference in double precision that are served with float32, by real libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import WindowSpec
from tidegauge_onnxruntime import OnnxruntimeInstrumentor
from tidegauge_testkit.onnx_models import linear
from tidegauge_testkit.recording import Recording
from tidegauge_xgboost import XGBoostInstrumentor

START_S = 1_700_000_000.0
WINDOW, WINDOWS = 400, 4
Rows = NDArray[np.float64]
Predict = Callable[[NDArray[np.float32]], Any]


def drawn(rng: np.random.Generator, rows: int) -> Rows:
    """Draw prices, a constant, a scaled yes or no, a capped value, even steps, and a number."""
    return np.stack(
        [
            rng.choice([0.1, 0.3, 19.99], rows, p=[0.5, 0.3, 0.2]),
            np.full(rows, 0.7),
            ((rng.random(rows) < 0.4) - 0.4123) / 0.4921,
            np.minimum(rng.normal(size=rows), 0.9),
            rng.choice(np.arange(33) / 10, rows),
            rng.normal(size=rows),
        ],
        axis=1,
    )


def onnx(rows: Rows) -> tuple[Any, Predict]:
    """Return an ONNX model, which takes nothing but float32."""
    runtime: Any = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(linear([1.0] * rows.shape[1]))
    return OnnxruntimeInstrumentor(), lambda row: session.run(None, {"X": row})


def xgboost(rows: Rows) -> tuple[Any, Predict]:
    """Return a booster that is trained on float64 and asked with float32."""
    library: Any = pytest.importorskip("xgboost")
    model = library.XGBRegressor(n_estimators=3, max_depth=2, n_jobs=1).fit(rows, rows[:, 0])
    return XGBoostInstrumentor(), lambda row: model.predict(row)


@pytest.mark.parametrize("library", [onnx, xgboost])
def test_rounded_rows_are_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Callable[[Rows], tuple[Any, Predict]]
) -> None:
    """Values that repeat are other numbers then: no window alarms, PSI is that of clean rows."""
    rng = np.random.default_rng(5)
    train = drawn(rng, 4000)
    save(build(train), tmp_path / "a.reference.json")
    now_s = START_S
    monkeypatch.setattr(shared, "clock", lambda: now_s)
    seen: list[WindowVerdict] = []
    settings = DriftSettings(
        reference=str(tmp_path / "a.reference.json"), windows=(WindowSpec.parse(f"{WINDOW}rows"),)
    )
    drift = DriftProcessor(settings=settings, listener=lambda _, verdict: seen.append(verdict))
    instrumentor, predict = library(train)
    instrumentor.instrument()
    try:
        with Recording(processors=[drift]):
            for row in drawn(rng, WINDOW * WINDOWS).astype(np.float32):
                predict(row[None, :])
                now_s += 0.1
            now_s += 30
            assert pipeline.flush(60.0)
    finally:
        instrumentor.uninstrument()

    assert len(seen) >= WINDOWS - 1
    assert not any(True in verdict.detected.values() for verdict in seen)
    assert not any(verdict.mismatch for verdict in seen)
    assert max(feature.finding.psi or 0 for verdict in seen for feature in verdict.features) < 0.15
