"""Every alert has a story in which it fires and one in which it ends, without promtool too."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting.alert_file import load, own_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_testkit.backends.stories import Story

FILE = load(sources=own_sources())
NAMES = [alert.name for alert in (*FILE.alerts, *FILE.off)]


def stories() -> Iterator[Story]:
    """Yield the stories of all modules here that play some."""
    for path in sorted(Path(__file__).parent.glob("test_promtool_*.py")):
        spec = importlib.util.spec_from_file_location(f"stories_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield from module.STORIES


EVERY = [*stories()]


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_a_story_in_which_it_fires_and_ends(name: str) -> None:
    """A new alert without one fails here."""
    told = [story for story in EVERY if story.alert == name]
    assert any(
        fires.alerts and not ends.alerts
        for story in told
        for fires, ends in zip(story.firing, story.firing[1:], strict=False)
    )


def test_a_story_is_of_an_alert() -> None:
    """A renamed alert leaves no story behind that nobody plays."""
    assert {story.alert for story in EVERY} == {*NAMES}
