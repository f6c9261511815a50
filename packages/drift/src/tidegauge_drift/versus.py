"""The windows of a canary or shadow against the live version's rows in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegauge import guard

from tidegauge_drift.block import OUTPUTS
from tidegauge_drift.changes import changes, ended
from tidegauge_drift.rivals import label
from tidegauge_drift.segment_counts import without
from tidegauge_drift.snapshot import Closed, Snapshot
from tidegauge_drift.window_judge import judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegauge.events import StateChange

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.rivals import Rivals
    from tidegauge_drift.window import ClosedWindow


def against_live(
    now: Snapshot,
    rivals: Rivals,
    window: ClosedWindow,
    *,
    kinds: int,
    alike: Floats | None,
    at_s: float,
) -> tuple[Snapshot, list[StateChange]]:
    """Judge a window once more, against the live version's rows in it, and tell what has changed.

    ``kinds`` and ``alike`` are those of ``judge``.
    """
    last, news = now.versus.get(window.spec), []
    before = last.window.baseline if last is not None else None
    baseline = rivals.take(window.spec, (before and before.version) or "")
    if last is not None and before is not None and before.version != baseline.version:
        news = no_longer(now, [last], at_s)
        last = None
    previous = None if last is None else last.verdict
    # A second look at the same rows: each has half of the budget of a kind of window.
    compared = replace(without(window), baseline=baseline)
    found = Closed(compared, judge(compared, now.layout, 2 * kinds, previous, alike))
    with guard.guarded("drift.changes"):
        news += _of_outputs(changes(
            now.model, now.layout, found.window, previous, found.verdict,
            reference=label(baseline),
        ))  # fmt: skip
    return replace(now, versus={**now.versus, window.spec: found}), news


def no_longer(now: Snapshot, closed: Iterable[Closed], at_s: float) -> list[StateChange]:
    """Return the ends of alarms of windows that are compared with their live version no more."""
    news: list[StateChange] = []
    with guard.guarded("drift.changes"):
        for each in closed:
            name = label(each.window.baseline)
            news += _of_outputs(ended(now.model, name, [each.verdict], at_s))
    return news


def _of_outputs(news: list[StateChange]) -> list[StateChange]:
    """Return what is told of a canary or shadow: other inputs are no fault of its."""
    return [each for each in news if each.family == OUTPUTS]
