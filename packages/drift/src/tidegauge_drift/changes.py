"""Which verdicts have changed with a window, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tidegauge.events import StateChange

from tidegauge_drift import classic
from tidegauge_drift.block import INPUTS
from tidegauge_drift.correlation_judge import flipped
from tidegauge_drift.moves import Sides, leading, share_floor
from tidegauge_drift.segment_table import SEGMENTS, alarms
from tidegauge_drift.verdict import CORRELATION, DRIFTED, MISMATCH, OK, QUALITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from tidegauge.batch import ModelKey

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.verdict import WindowVerdict
    from tidegauge_drift.window import ClosedWindow

#: The alarm was on when windows began anew: nobody knows whether it still would be.
UNKNOWN = "unknown"
# Of one window, beside its families: the features with the largest effects.
MAXIMUM_FEATURES = 50
_NUMBER, _PAIRS = "features.drifted", "pairs.changed"


def changes(
    model: ModelKey,
    layout: Layout,
    window: ClosedWindow,
    before: WindowVerdict | None,
    after: WindowVerdict,
    *,
    reference: str,
) -> list[StateChange]:
    """Return the alarms that a window has raised or ended: families, then pairs, then features.

    A first verdict that is ``ok`` is no change. ``reference`` is what the window was compared with.
    """
    features = sorted(
        _features(model, layout, window, before, after, reference=reference),
        key=lambda each: -each[0],
    )
    found = list(_families(model, reference, before, after))
    found += _pairs(model, layout, before, after, reference=reference)
    return found + [change for _, change in features[:MAXIMUM_FEATURES]]


def ended(
    model: ModelKey, reference: str, verdicts: Iterable[WindowVerdict], at_s: float
) -> list[StateChange]:
    """Return the families whose alarms were on when windows began anew."""
    return [
        StateChange(model, reference, family, "", verdict.spec.label, UNKNOWN, at_s)
        for verdict in verdicts
        for family, state in _states(verdict).items()
        if state != OK
    ]


def _states(verdict: WindowVerdict | None) -> dict[str, str]:
    """Return the state of each family that was ever decided."""
    if verdict is None:
        return {}
    states = {family: DRIFTED if on else OK for family, on in verdict.detected.items()}
    if verdict.mismatch:
        states[INPUTS] = MISMATCH
    return states


def _families(
    model: ModelKey, reference: str, before: WindowVerdict | None, after: WindowVerdict
) -> Iterator[StateChange]:
    known = _states(before)
    for family, state in _states(after).items():
        if state == known.get(family, OK):
            continue
        number = _number(after, family)
        name = _PAIRS if family == CORRELATION else _NUMBER
        why = ("", None, None) if state == MISMATCH else (name, number, 1.0)
        yield StateChange(
            model, reference, family, "", after.spec.label, state, after.closed_s, *why
        )


def _number(verdict: WindowVerdict, family: str) -> float:
    """Return how many alarms of a family are on."""
    if family == CORRELATION:
        return float((verdict.pairs["detected"] > 0).sum())
    if family == SEGMENTS:
        found = alarms(verdict.extra)
        return 0.0 if found is None else float(found.sum())
    on = _alarms(verdict, "quality_detected" if family == QUALITY else "detected")
    return float(on[[family in (QUALITY, slot.family) for slot in verdict.slots]].sum())


def _pairs(
    model: ModelKey,
    layout: Layout,
    before: WindowVerdict | None,
    after: WindowVerdict,
    *,
    reference: str,
) -> Iterator[StateChange]:
    if layout.correlated is None or not after.pairs:
        return
    for pair, on in flipped(before.pairs if before is not None else {}, after.pairs):
        found = layout.correlated.pair(pair, after.pairs)
        yield StateChange(
            model, reference, CORRELATION, f"{found.first} ~ {found.second}", after.spec.label,
            DRIFTED if on else OK, after.closed_s, CORRELATION, found.now, found.floor,
        )  # fmt: skip


def _features(
    model: ModelKey,
    layout: Layout,
    window: ClosedWindow,
    before: WindowVerdict | None,
    after: WindowVerdict,
    *,
    reference: str,
) -> Iterator[tuple[float, StateChange]]:
    def change(i: int, family: str, on: bool, why: tuple[str, float, float]) -> StateChange:
        state = DRIFTED if on else OK
        name, label = after.slots[i].name, after.spec.label
        return StateChange(model, reference, family, name, label, state, after.closed_s, *why)

    for i, on in _flips(before, after, "detected"):
        finding = after.features[i].finding
        why = (
            classic.leading(finding)
            if layout.wanted.classic
            else leading(finding, Sides.of(window, layout, i))
        )
        yield finding.effect, change(i, after.slots[i].family, on, why)
    for i, on in _flips(before, after, "quality_detected"):
        check = max(after.quality[i].shares.checks, key=lambda each: each.effect)
        then, now = Sides.of(window, layout, i).quality(check.name)
        why = (f"{check.name}.ratio", now, share_floor(then, now))
        yield check.effect, change(i, QUALITY, on, why)


def _flips(
    before: WindowVerdict | None, after: WindowVerdict, column: str
) -> Iterator[tuple[int, bool]]:
    """Yield where an alarm went on or off, and which of the two."""
    on = _alarms(after, column)
    was = np.zeros_like(on) if before is None else _alarms(before, column)
    for i in np.flatnonzero(on != was).tolist():
        yield i, bool(on[i])


def _alarms(verdict: WindowVerdict, column: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = verdict.table[column] == 1
    return found
