"""Plugins are found by entry point; one that is broken is named, and the others work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tidegauge import plugins
from tidegauge.reference_reader import SketchedTable

SOURCE = """
class Good:
    pass

class Broken:
    def __init__(self):
        raise RuntimeError("no licence")
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install three processors: one works, one cannot be built, one cannot be imported."""
    metadata = tmp_path / "plugged-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "plugged.py").write_text(SOURCE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[tidegauge_processor]\n"
        "test_c_good = plugged:Good\n"
        "test_b_broken = plugged:Broken\n"
        "test_a_missing = plugged.gone:Missing\n"
        "[tidegauge_reference_reader]\n"
        "test_good = plugged:Good\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_a_broken_plugin_is_named_and_the_others_work(
    core: Any, installed: None, warnings_of: Callable[[], list[str]]
) -> None:
    """One line each, with what to do."""
    for _ in range(2):
        found = [type(made).__name__ for made in plugins.load_processors()]
        assert "Good" in found
        assert "Broken" not in found
    assert [
        "tidegauge_processor plugin 'test_a_missing' (plugged.gone:Missing) could not be loaded: "
        "ModuleNotFoundError: No module named 'plugged.gone'; 'plugged' is not a package. Repair "
        "or uninstall its package.",
        "Processor 'test_b_broken' could not be built: RuntimeError: no licence. Its metrics are "
        "missing.",
    ] == [line for line in warnings_of() if "test_" in line]


def test_readers_of_references_are_found(core: Any, installed: None) -> None:
    """As processors are."""
    assert "Good" in [type(made).__name__ for made in plugins.load_reference_readers()]


def test_a_sketched_table_says_how_many_values_it_has() -> None:
    """They stand for more rows; without a column there are none."""
    table = SketchedTable("sketch", 1000, {"a": np.zeros(10), "b": np.zeros(10)})
    assert [10, 0] == [table.values, SketchedTable("sketch", 0, {}).values]
