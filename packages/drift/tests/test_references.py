"""Reference files that a service is told to read: a path that leads nowhere is one clear line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tidegauge import misconfiguration
from tidegauge.batch import ModelKey
from tidegauge_drift.references import References


def test_a_path_that_no_file_can_have_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Something else was pasted into the variable: no model has drift, and all models work."""
    path = "x" * 5_000
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        references = References(path)
        references.check()
        found = [references.get(ModelKey(name)) for name in ("a", "b")]
        references.look()
    assert [None, None] == found
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{path}: got File name too long from the file; expected a readable file." in line
    misconfiguration.reset()


@pytest.mark.parametrize("name", ["\ud800", "a\0/b", "n" * 200 + "ü"])
def test_a_name_that_no_file_can_have_has_no_reference(name: str, tmp_path: Path) -> None:
    """Models are named by users and registries."""
    assert References(str(tmp_path)).get(ModelKey(name)) is None
