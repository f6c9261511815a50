"""A model goes by the name of its file, and by nothing else that a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xgboost
from tidegauge_testkit.recording import Recording


@pytest.fixture
def file(booster: Any, tmp_path: Path) -> Path:
    """Return the file of a booster."""
    path = tmp_path / "fraud_v3.json"
    booster.save_model(path)
    return path


def test_an_estimator_goes_by_its_file(together: Recording, file: Path, rows: Any) -> None:
    """And so does the booster in it."""
    model = xgboost.XGBClassifier(n_jobs=1)
    model.load_model(file)
    model.predict_proba(rows)
    model.get_booster().inplace_predict(rows)
    assert set(together.counts()) == {
        ("fraud_v3", "predict_proba"),
        ("fraud_v3", "inplace_predict"),
    }


def test_a_file_that_cannot_be_loaded_names_nothing(
    recording: Recording, tmp_path: Path, booster: Any, rows: Any
) -> None:
    """The error is XGBoost's, and the booster that stays keeps its name."""
    with pytest.raises(xgboost.core.XGBoostError):
        booster.load_model(tmp_path / "gone.json")
    booster.inplace_predict(rows)
    assert recording.models() == {"Booster"}
