"""A model goes by the name of its file, and by nothing else that a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xgboost
from tidegauge import set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge_testkit.recording import Recording


@pytest.fixture
def file(booster: Any, tmp_path: Path) -> Path:
    """Return the file of a booster."""
    path = tmp_path / "fraud_v3.json"
    booster.save_model(path)
    return path


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_booster_goes_by_its_file(
    recording: Recording, file: Path, rows: Any, as_given: Any
) -> None:
    """However it is loaded: the base name, without folders and extension."""
    first = xgboost.Booster()
    first.load_model(as_given(file))
    second = xgboost.Booster(model_file=as_given(file))
    third = xgboost.Booster()
    third.load_model(fname=as_given(file))
    for each in (first, second, third):
        each.inplace_predict(rows)
    assert recording.models() == {"fraud_v3"}
    assert recording.calls() == 3


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


def test_memory_has_no_name(recording: Recording, file: Path, booster: Any, rows: Any) -> None:
    """A model out of a buffer goes by its class, also one that had a file before."""
    raw = booster.save_raw()
    first = xgboost.Booster(model_file=raw)
    first.inplace_predict(rows)
    second = xgboost.Booster(model_file=file)
    second.inplace_predict(rows)
    second.load_model(raw)
    second.inplace_predict(rows)
    counts = {name: count.success for (name, _), count in recording.counts().items()}
    assert {"Booster": 2, "fraud_v3": 1} == counts


def test_a_file_that_cannot_be_loaded_names_nothing(
    recording: Recording, tmp_path: Path, booster: Any, rows: Any
) -> None:
    """The error is XGBoost's, and the booster that stays keeps its name."""
    with pytest.raises(xgboost.core.XGBoostError):
        booster.load_model(tmp_path / "gone.json")
    booster.inplace_predict(rows)
    assert recording.models() == {"Booster"}


def test_the_app_knows_best(instrumented: None, file: Path, rows: Any) -> None:
    """What the app says comes before the environment, and that before the file."""
    with Recording(CoreSettings(model_name="fraud_v3=fraud,churn.ubj=churn")) as recording:
        model = xgboost.Booster(model_file=file)
        model.inplace_predict(rows)
        set_model_info(model, "by hand", "7")
        model.inplace_predict(rows)
        assert recording.versions() == {("fraud", ""), ("by hand", "7")}
