"""A closed window's verdict: a pure function of its counts, the reference and the last verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from tidegauge import guard
from tidegauge.late_import import late_import

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.calls import effects
from tidegauge_drift.correlation_judge import judge_pairs
from tidegauge_drift.findings import classic_finding_of, finding_of, reference_of, shares_of
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import benjamini_hochberg, paging_alpha
from tidegauge_drift.segment_judge import judge_segments
from tidegauge_drift.verdict import (
    CORRELATION,
    DRIFTED,
    MISMATCH,
    MISSING,
    OK,
    QUALITY,
    SUSPECTED,
    UNDECIDED,
    UNKNOWN,
    FeatureVerdict,
    QualityVerdict,
    Run,
    WindowVerdict,
    columns,
    date,
    tabulate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.extras import Extra
    from tidegauge_drift.findings import Reference
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.judge import Finding, Shares
    from tidegauge_drift.window import ClosedWindow


def judge(
    window: ClosedWindow,
    layout: Layout,
    kinds: int,
    previous: WindowVerdict | None,
    alike: Floats | None = None,
) -> WindowVerdict:
    """Return the verdict of a closed window.

    Per family Benjamini-Hochberg at ``paging_levels`` and an effect floor flag a feature;
    two flagged windows in a row raise its alarm, two clean ones end it. A feature that could not be
    judged keeps its alarm as it was. If half of the inputs are flagged in the first window that
    could be judged, the reference is not this model's: ``mismatch`` replaces the inputs' alarms,
    and those of the data quality of each that differs.
    In classic mode the textbook's rules flag features, each window by itself; data quality is
    judged as ever.

    Parameters
    ----------
    window : ClosedWindow
        Its counts are None when no row came.
    layout : Layout
        Of the reference that the counts were made with.
    kinds : int
        Number of window kinds that share the budget of false alarms.
    previous : WindowVerdict or None
        Of the window of this kind before; None for the first.
    alike : ndarray of float64, optional
        How alike rows of one call are, by feature; NaN or None where too few calls were seen.
        Then rows count as independent, and nothing that differs raises an alarm.
    """
    with late_import():  # the tests' p-values; a fork in the middle would leave it half imported
        from scipy import special  # noqa: F401, PLC0415 - slow: only the first verdict pays
    deff, unknown = effects(window, len(layout.slots), alike)
    references = [reference_of(window, layout, i, deff[i]) for i in range(len(layout.slots))]
    levels = _levels(window, kinds, references)
    # Rows of the model itself and of its live version have no bins of equal width.
    classic = layout.wanted.classic and window.baseline is None
    find = classic_finding_of if classic else finding_of
    findings = [find(window, layout, i, found) for i, found in enumerate(references)]
    shares = [shares_of(window, found) for found in references]
    runs = [f.run for f in previous.features] if previous else [Run()] * len(findings)
    quality_runs = [q.run for q in previous.quality] if previous else [Run()] * len(findings)
    adjusted: dict[int, float] = {}
    for family in () if classic else (INPUTS, OUTPUTS):
        members = [i for i, slot in enumerate(layout.slots) if slot.family == family]
        adjusted.update(_adjust(members, [findings[i].p_value for i in members]))
    flags: list[bool | None] = [
        adjusted[i] <= levels[slot.family] and finding.effect >= 1 if i in adjusted else None
        for i, (slot, finding) in enumerate(zip(layout.slots, findings, strict=True))
    ]
    if classic:
        flags = [None if finding.reason else bool(finding.rules) for finding in findings]
    certain = [None if unknown[i] else flag for i, flag in enumerate(flags)]
    mismatch, judged = _mismatch(certain, layout, previous)
    # A baseline is of this very model, and classic rules stand as they are.
    mismatch = mismatch and window.baseline is None and not classic
    quality = _quality(layout, shares, quality_runs, levels.get(QUALITY, 0.0), unknown)
    if mismatch:  # the ranges of another model's rows say as little as their values
        quality = tuple(
            replace(found, run=Run()) if slot.family == INPUTS and flag and found.flagged else found
            for slot, flag, found in zip(layout.slots, flags, quality, strict=True)
        )
    if _other_traffic(window, layout, flags, quality):
        for i, slot in enumerate(layout.slots):
            if slot.family == OUTPUTS and flags[i] is not None:
                findings[i], flags[i] = replace(findings[i], reason="traffic"), None
    after = [
        runs[i].at_once(flag) if classic else _run(runs[i], flag, unknown=bool(unknown[i]))
        for i, flag in enumerate(flags)
    ]
    features = tuple(
        _feature(
            slot, findings[i], flags[i], after[i],
            adjusted=adjusted.get(i), mismatch=mismatch,
        )
        for i, slot in enumerate(layout.slots)
    )  # fmt: skip
    table = tabulate(features, quality)
    segments = judge_segments(window, layout, kinds, previous, alike, mismatch=mismatch)
    date(table, None if previous is None else previous.table, window.opened_s)
    if layout.correlated is not None and INPUTS in levels:
        # The same rows; segments have the other half of the fourth quarter of the budget.
        levels[CORRELATION] = levels[INPUTS] / (1 if layout.segments is None else 2)
    return WindowVerdict(
        window.spec, window.opened_s, window.closed_s, window.rows, levels,
        mismatch, judged, "" if classic else _dependence(flags, unknown), layout.slots, table,
        {**columns(findings, layout.wanted), **segments},
        _pairs(
            window, layout, references, (features, quality), previous,
            unknown=unknown, level=levels.get(CORRELATION, 0.0),
        ),
    )  # fmt: skip


def _pairs(
    window: ClosedWindow,
    layout: Layout,
    references: Sequence[Reference | str],
    said: tuple[Sequence[FeatureVerdict], Sequence[QualityVerdict]],
    previous: WindowVerdict | None,
    *,
    unknown: NDArray[np.bool_],
    level: float,
) -> Extra:
    """Return what is said of the correlations of inputs, as columns by name."""
    if layout.correlated is None or window.baseline is not None:
        return {}
    before = {} if previous is None else previous.pairs
    deff = [1.0 if isinstance(found, str) else found[0].deff for found in references]
    # What has drifted itself has other scores: that its correlations change is no news.
    steady = [
        feature.flagged is False
        and feature.state != MISMATCH
        and not (feature.run.detected or quality.flagged or quality.run.detected)
        for feature, quality in zip(*said, strict=True)
    ]
    try:
        return judge_pairs(
            window, layout.correlated, before, level,
            deff=np.array(deff), steady=np.array(steady), unknown=unknown,
        )  # fmt: skip
    except Exception as error:  # one fault must not silence the features
        guard.fault("drift.correlation", error)
        return before


def _dependence(flags: Sequence[bool | None], unknown: NDArray[np.bool_]) -> str:
    judged = [flag is not None for flag in flags]
    return UNKNOWN if np.any(unknown & judged) else ""


def _run(run: Run, flagged: bool | None, *, unknown: bool) -> Run:
    return run.held() if unknown and flagged is not None else run.after(flagged)


def _other_traffic(
    window: ClosedWindow,
    layout: Layout,
    flags: Sequence[bool | None],
    quality: Sequence[QualityVerdict],
) -> bool:
    """Tell whether a version has got other inputs than the live one: other outputs follow."""
    if window.baseline is None or window.baseline.version is None:
        return False
    return any(
        slot.family == INPUTS and (flag or found.flagged)
        for slot, flag, found in zip(layout.slots, flags, quality, strict=True)
    )


def paging_levels(window: ClosedWindow, layout: Layout, kinds: int) -> dict[str, float]:
    """Return the level of each family of tests: the numbers of rows decide, not their values."""
    references = [reference_of(window, layout, i) for i in range(len(layout.slots))]
    return _levels(window, kinds, references)


def _levels(
    window: ClosedWindow, kinds: int, references: Sequence[Reference | str]
) -> dict[str, float]:
    known: dict[str, list[float]] = {}
    for found in references:
        if not isinstance(found, str):
            slot, counts = found
            known.setdefault(slot.family, []).append(float(counts.sum()))
    # All features of a family have the same rows, but for one that is broken.
    rows = {family: max(1.0, float(np.median(sums))) for family, sums in known.items()}
    if rows:
        rows[QUALITY] = min(rows.values())
    return {
        family: paging_alpha(window.a_month, window.rows / (window.rows + reference)) / kinds
        for family, reference in rows.items()
    }


def _adjust(members: Sequence[int], p_values: Sequence[float | None]) -> dict[int, float]:
    # Those that cannot be judged count too: which ones can is a matter of chance where rows depend
    # on each other, and the few that were chosen by it must not share the level among themselves.
    adjusted = benjamini_hochberg([1.0 if p is None else p for p in p_values])
    found = zip(members, p_values, adjusted.tolist(), strict=True)
    return {i: value for i, p, value in found if p is not None}


def _mismatch(
    flags: Sequence[bool | None], layout: Layout, previous: WindowVerdict | None
) -> tuple[bool, bool]:
    """Return whether the reference fits another model, and whether a window was ever judged."""
    inputs = [
        flag
        for flag, slot in zip(flags, layout.slots, strict=True)
        if slot.family == INPUTS and flag is not None
    ]
    before = previous is not None and previous.judged
    if not inputs:
        return bool(previous and previous.mismatch), before
    if before and previous is not None and not previous.mismatch:
        return False, True
    # One feature alone cannot tell a wrong reference from drift.
    return len(inputs) > 1 and 2 * sum(inputs) >= len(inputs), True


def _feature(
    slot: Slot,
    finding: Finding,
    flagged: bool | None,
    run: Run,
    *,
    adjusted: float | None,
    mismatch: bool,
) -> FeatureVerdict:
    replaced = mismatch and slot.family == INPUTS
    run = Run() if replaced else run
    if flagged is None:
        state = MISSING if finding.reason == "missing" else UNDECIDED
    elif replaced and flagged:
        state = MISMATCH
    elif run.detected:
        state = DRIFTED
    else:
        state = SUSPECTED if flagged else OK
    return FeatureVerdict(slot.name, slot.family, finding, adjusted, flagged, run, state)


def _quality(
    layout: Layout,
    shares: Sequence[Shares],
    runs: Sequence[Run],
    level: float,
    unknown: NDArray[np.bool_],
) -> tuple[QualityVerdict, ...]:
    tests = [(i, c) for i, found in enumerate(shares) for c in range(len(found.checks))]
    adjusted = benjamini_hochberg([shares[i].checks[c].p_value for i, c in tests])
    flags: list[bool | None] = [False if found.checks else None for found in shares]
    for (i, c), p in zip(tests, adjusted, strict=True):
        if p <= level and shares[i].checks[c].effect >= 1:
            flags[i] = True
    return tuple(
        QualityVerdict(slot.name, found, flag, _run(run, flag, unknown=bool(not_known)))
        for slot, found, flag, run, not_known in zip(
            layout.slots, shares, flags, runs, unknown, strict=True
        )
    )
