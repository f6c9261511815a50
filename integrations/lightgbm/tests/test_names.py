"""A model goes by the name of its file, and by nothing else that a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import pytest
from tidegauge import set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge_testkit.recording import Recording


@pytest.fixture
def file(booster: Any, tmp_path: Path) -> Path:
    """Return the file of a booster."""
    path = tmp_path / "fraud_v3.txt"
    booster.save_model(path)
    return path


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_booster_goes_by_its_file(
    recording: Recording, file: Path, rows: Any, as_given: Any
) -> None:
    """The base name, without folders and extension."""
    lightgbm.Booster(model_file=as_given(file)).predict(rows)
    lightgbm.Booster(None, None, as_given(file)).predict(rows)
    assert recording.models() == {"fraud_v3"}
    assert recording.calls() == 2


def test_memory_has_no_name(recording: Recording, file: Path, booster: Any, rows: Any) -> None:
    """A model out of a text goes by its class, also one that had a file before."""
    text = booster.model_to_string()
    lightgbm.Booster(model_str=text).predict(rows)
    model = lightgbm.Booster(model_file=file)
    model.predict(rows)
    model.model_from_string(text)
    model.predict(rows)
    counts = {name: count.success for (name, _), count in recording.counts().items()}
    assert {"Booster": 2, "fraud_v3": 1} == counts


def test_a_file_that_cannot_be_loaded_is_the_callers_error(
    recording: Recording, tmp_path: Path
) -> None:
    """The error is LightGBM's, and nothing of ours."""
    with pytest.raises(lightgbm.basic.LightGBMError):
        lightgbm.Booster(model_file=tmp_path / "gone.txt")
    assert recording.faults() == {}


def test_the_app_knows_best(instrumented: None, file: Path, rows: Any) -> None:
    """What the app says comes before the environment, and that before the file."""
    with Recording(CoreSettings(model_name="fraud_v3=fraud,churn.txt=churn")) as recording:
        model = lightgbm.Booster(model_file=file)
        model.predict(rows)
        set_model_info(model, "by hand", "7")
        model.predict(rows)
        assert recording.versions() == {("fraud", ""), ("by hand", "7")}
