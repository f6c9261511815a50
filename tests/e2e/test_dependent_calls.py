"""Rows of one call, from scikit-learn's ``predict`` to what they are worth in a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tidegauge import pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import WindowSpec
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording

START_S = 1_700_000_000.0
CALL = 40


@pytest.mark.parametrize(("alike", "least", "most"), [(0.0, 1.0, 1.4), (0.6, 10.0, 25.0)])
def test_a_model_that_predicts_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, alike: float, least: float, most: float
) -> None:
    """Calls of one row among them; what rows are worth follows how alike they are."""
    linear: Any = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(11)
    train = rng.normal(size=(2000, 3))
    path = tmp_path / "a.reference.json"
    save(build(train), path)
    now_s = START_S
    monkeypatch.setattr(shared, "clock", lambda: now_s)
    seen: list[WindowVerdict] = []
    settings = DriftSettings(reference=str(path), windows=(WindowSpec.parse("1000rows"),))
    drift = DriftProcessor(settings=settings, listener=lambda _, verdict: seen.append(verdict))
    model = linear.LinearRegression().fit(train, train.sum(axis=1))
    SklearnInstrumentor().instrument()
    try:
        with Recording(processors=[drift]):
            for _ in range(160):
                shared_effect = np.sqrt(alike) * rng.normal(size=3)
                own = np.sqrt(1 - alike) * rng.normal(size=(CALL, 3))
                model.predict(shared_effect + own)
                model.predict(rng.normal(size=(1, 3)))
                now_s += 1
                assert pipeline.flush(60.0)
            now_s += 30
            assert pipeline.flush(60.0)
    finally:
        SklearnInstrumentor().uninstrument()
    worth = [v.rows / v.features[0].finding.effective_rows for v in seen]

    assert len(seen) >= 5
    assert all(least <= each <= most for each in worth[1:])
    assert not any(True in verdict.detected.values() for verdict in seen)
    assert {""} == {verdict.dependence for verdict in seen[1:]}
