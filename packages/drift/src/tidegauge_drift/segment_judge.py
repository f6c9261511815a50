"""The segments of a closed window: each feature among the rows of each, a family of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tidegauge import guard

from tidegauge_drift.calls import design_effects
from tidegauge_drift.judge import MINIMUM_ROWS, Finding, judge_feature
from tidegauge_drift.multiplicity import benjamini_hochberg, paging_alpha
from tidegauge_drift.optional import decided, flag, number
from tidegauge_drift.segment_counts import PAIRS, live, sliced
from tidegauge_drift.segment_screen import cleared
from tidegauge_drift.segment_table import RECORD, pack, unpack
from tidegauge_drift.verdict import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.segment_counts import SegmentCounts
    from tidegauge_drift.verdict import WindowVerdict
    from tidegauge_drift.window import ClosedWindow


def judge_segments(
    window: ClosedWindow,
    layout: Layout,
    kinds: int,
    previous: WindowVerdict | None,
    alike: Floats | None,
    *,
    mismatch: bool,
) -> Extra:
    """Return the records of all features in all segments, as a column of the verdict.

    The tests, the floors and the two windows in a row are those of features; Benjamini-Hochberg is
    over all features in all segments. The level of a segment is that of its own rows, in the window
    and in the reference. Nothing is judged where ``mismatch`` says that the reference is of other
    data. The parameters are those of ``judge``.
    """
    known = layout.segments
    if known is None or window.baseline is not None:
        return {}
    before = None if previous is None else unpack(previous.extra)
    shape = len(layout.slots), len(known.texts)
    findings: list[list[Finding | None]] = [[None] * shape[1]] * shape[0]
    levels, unknown = np.zeros(shape[1]), np.zeros(shape, np.bool_)
    rows = _rows(window, layout, known)
    if rows is not None:
        share = rows / (rows + known.rows)
        # Where correlations are judged too, both have half of what is left of the budget.
        parts = kinds if layout.correlated is None else 2 * kinds
        levels = np.array([paging_alpha(window.a_month, each) / parts for each in share])
        effects, unknown = _by_calls(window, rows, shape[0], alike)
        # What alarms is shown with its numbers, however small they have become.
        on = np.zeros(shape, np.bool_) if before is None else before["detected"] == 1
        findings = [_findings(window, layout, i, effects[i], on[i]) for i in range(shape[0])]
    adjusted = _adjusted(findings, [i for i, r in enumerate(known.reference) if r is not None])
    table = np.zeros(shape, RECORD)
    for i, s in np.ndindex(*shape):
        found = findings[i][s]
        told, flagged = False, None
        if found is not None and found.p_value is not None and not mismatch:
            told, flagged = True, bool(adjusted[i, s] <= levels[s] and found.effect >= 1)
        last = None if before is None else before[i, s]
        run = _run(None if mismatch else last)
        run = run.held() if unknown[i, s] and told else run.after(flagged)
        differs = flagged or run.flagged or run.detected
        since = (last is not None and int(last["since"])) or window.opened_s
        table[i, s] = (
            *_numbers(found, told=told), adjusted[i, s], flag(flagged), flag(run.flagged),
            flag(run.detected), 0, since if differs else 0,
        )  # fmt: skip
    return pack(table)


def _rows(window: ClosedWindow, layout: Layout, known: SegmentCounts) -> NDArray[np.int64] | None:
    """Return the rows of each segment in a window; None where they cannot be compared."""
    found = live(window, layout.inputs, len(known.texts))
    if found is None or window.stride_max > 2 * window.stride_min:
        return None
    starts = [slot.start for slot in layout.inputs.slots]
    # Each feature that is there has all of them.
    rows: NDArray[np.int64] = np.add.reduceat(found, starts, axis=1, dtype=np.int64).max(axis=1)
    return rows


def _by_calls(
    window: ClosedWindow, rows: NDArray[np.int64], features: int, alike: Floats | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how many rows of each segment are worth one by their calls, and where nobody knows."""
    pairs = window.extra.get(PAIRS, np.zeros(rows.size, np.int64))
    found = [
        design_effects(int(p) / max(1, int(n)), features, alike)
        for p, n in zip(pairs, rows, strict=True)
    ]
    return np.stack([e for e, _ in found], axis=1), np.stack([u for _, u in found], axis=1)


def _findings(
    window: ClosedWindow, layout: Layout, i: int, effects: Floats, on: NDArray[np.bool_]
) -> list[Finding | None]:
    """Return what each segment says of one feature; None where the reference does not have it."""
    known, slot = layout.segments, layout.slots[i]
    block = layout.inputs if i < len(layout.inputs.slots) else layout.outputs
    nothing: list[Finding | None] = [None] * len(effects)
    try:
        reference = None if known is None else known.reference[i]
        found = live(window, block, len(effects))
        if reference is None or found is None:
            return nothing
        place = slice(slot.start - block.start, slot.stop - block.start)
        sides = reference.astype(np.int64), found[:, place].astype(np.int64)
        deff = np.maximum(slot.deff, effects)
        bins = layout.bins[slot.start : slot.stop]
        if slot.numeric:
            clear = cleared(sides[0][:, :-2], sides[1][:, :-2], bins[:-2], deff) & ~on
        else:
            clear = np.zeros(len(effects), np.bool_)
        return [
            _clear(sides[1][s], deff[s]) if clear[s]
            else _finding(layout, i, s, sides[1][s], float(deff[s]))
            for s in range(len(effects))
        ]  # fmt: skip
    except Exception as error:  # one broken feature must not silence the others
        guard.fault("drift.segments", error)
        return nothing


def _clear(current: NDArray[np.int64], deff: float) -> Finding:
    """Return what is said of a test that need not be made: enough rows, and far from the level."""
    rows = int(current[:-2].sum())
    return Finding(rows, rows / deff, p_value=1.0)


def _finding(
    layout: Layout, i: int, segment: int, current: NDArray[np.int64], deff: float
) -> Finding:
    found = sliced(layout, i, segment)
    if found is None or found[1][:-2].sum() / deff < MINIMUM_ROWS:
        return Finding(int(current[:-2].sum()), reason="rows")
    slot, reference = replace(found[0], deff=deff), found[1]
    return judge_feature(slot, reference, current, layout.bins[slot.start : slot.stop], deff)


def _adjusted(findings: list[list[Finding | None]], members: list[int]) -> Floats:
    """Return adjusted p-values of the features that the reference has by segment, else NaN.

    Those that cannot be judged are tests too, as in the other families.
    """
    p_values = [
        1.0 if found is None or found.p_value is None else found.p_value
        for i in members
        for found in findings[i]
    ]
    adjusted = np.full((len(findings), len(findings[0])), np.nan)
    adjusted[members] = benjamini_hochberg(p_values).reshape(len(members), -1)
    return adjusted


def _numbers(found: Finding | None, *, told: bool) -> tuple[float, ...]:
    if found is None:
        return 0, 0.0, np.nan, np.nan, 0.0
    values = (number(found.psi), number(found.ks), found.effect) if told else (np.nan, np.nan, 0)
    return found.rows, found.effective_rows, *values


def _run(row: Any) -> Run:
    if row is None:
        return Run()
    return Run(decided(row["before"]), decided(row["detected"]))
