"""Where references come from: what is said of a folder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tidegauge.batch import ModelKey
from tidegauge_drift import build, save
from tidegauge_drift.references import References

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ((), "There is none"),
        (("fraud", "churn"), "There is 'churn.reference.json', 'fraud.reference.json'"),
        (
            "abcdef",
            "There is 'a.reference.json', 'b.reference.json', 'c.reference.json', "
            "'d.reference.json', 'e.reference.json' ...",
        ),
    ],
)
def test_a_folder_without_a_file_for_the_first_model_is_said_once(
    files: tuple[str, ...], there: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Models and files have other names then: nothing else would say why there is no drift."""
    for name in files:
        (tmp_path / f"{name}.reference.json").touch()
    references = References(str(tmp_path))
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        for name in ("Pipeline[SVC]", "other"):
            assert references.get(ModelKey(name)) is None

    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: got no 'Pipeline[SVC].reference.json' from the folder; expected a reference "
        f"named after each model. {there}. "
        "Without it the model has no drift: rename a file, or name the model "
        "(TIDEGAUGE_MODEL_NAME)."
    ]


def test_a_folder_with_files_may_lack_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not every model needs drift: where one has a reference, names are as they should be."""
    profile = build(np.random.default_rng(0).normal(size=(500, 2)))
    save(profile, tmp_path / "fraud.reference.json")
    references = References(str(tmp_path))
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        assert references.get(ModelKey("fraud")) is not None
        assert references.get(ModelKey("other")) is None

    assert caplog.records == []
