"""Stored verdicts as gauges; reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.batch import GaugePoint
from tidegauge_semconv import MetricSpec
from tidegauge_semconv import metrics as m

from tidegauge_drift.block import OUTPUTS
from tidegauge_drift.built import seconds
from tidegauge_drift.rivals import LIVE, label, shown_outputs
from tidegauge_drift.segment_table import SEGMENTS
from tidegauge_drift.settings import DATA_QUALITY, DETECTED, JS, KL, KS, PSI, WASSERSTEIN
from tidegauge_drift.verdict import CORRELATION, FAMILIES, QUALITY, STATES, WindowVerdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from tidegauge_drift.judge import Finding
    from tidegauge_drift.snapshot import Closed, Snapshot
    from tidegauge_drift.window import WindowSpec

# The metric of each value that can be exported, and where a finding has it.
_VALUES = {
    PSI: (m.DRIFT_PSI_VALUE, "psi"),
    KS: (m.DRIFT_KS_STATISTIC, "ks"),
    KL: (m.DRIFT_KL_DIVERGENCE, "kl"),
    JS: (m.DRIFT_JS_DISTANCE, "js"),
    WASSERSTEIN: (m.DRIFT_WASSERSTEIN_DISTANCE, "wasserstein"),
}
# The metric of each check of a feature's data quality.
_SHARES = {
    "missing": m.DATA_QUALITY_MISSING_RATIO,
    "out_of_range": m.DATA_QUALITY_OUT_OF_RANGE_RATIO,
    "new_category": m.DATA_QUALITY_NEW_CATEGORY_RATIO,
    "type_error": m.DATA_QUALITY_TYPE_ERROR_RATIO,
}


def budget(
    max_series: int, windows: int, export: Sequence[str], *, correlation: bool = False
) -> int:
    """Return how many features fit: aggregates are always there."""
    aggregates = 2 + windows * (1 + len(STATES) + len(FAMILIES) + correlation)
    each = 2 * (DETECTED in export) + (PSI in export)  # PSI with its effective rows
    each += len(_SHARES) * (DATA_QUALITY in export) + sum(name in _VALUES for name in export)
    return max(1, (max_series - aggregates) // max(1, each))


def room_beside(now: Snapshot, features: int, windows: int) -> int:
    """Return how many of so many features fit beside a live version's and the segments' series."""
    outputs = len(shown_outputs(now.layout.slots))
    taken = 0 if now.role == LIVE else outputs + 2 * windows
    if now.layout.segments is not None:  # a series a window, of two that a feature has or more
        taken += -(-windows // 2)
    return max(1, features - taken)


def points(
    snapshot: Snapshot,
    windows: Sequence[WindowSpec],
    export: Sequence[str],
    *,
    weekly: bool = False,
    now_s: float | None = None,
) -> Iterator[GaugePoint]:
    """Yield the gauges of one model; ``weekly`` if the week before is the baseline.

    Without ``now_s`` nobody knows how old the reference is.
    """
    layout, model = snapshot.layout, snapshot.model
    if snapshot.schema and not snapshot.compared:
        return  # the reference is of another model
    head = (model.name, model.version, layout.reference)
    source = f"previous_week on {layout.source}" if weekly else layout.source
    info = (*head, source, layout.built, str(layout.rows))
    yield GaugePoint(m.DRIFT_REFERENCE_INFO, info, 1.0)
    built_s = seconds(layout.built)
    if now_s is not None and built_s is not None and built_s <= now_s:
        yield GaugePoint(m.DRIFT_REFERENCE_AGE, head, now_s - built_s)
    for spec in windows:
        verdict = snapshot.verdict(spec)
        if verdict is None:
            continue
        yield from _aggregates(verdict, head, export)
        if spec == windows[0]:
            yield from _features(verdict, head, export, snapshot.members)
        if spec in snapshot.versus:
            yield from _versus(snapshot.versus[spec], head, export, first=spec == windows[0])


def _versus(
    closed: Closed, head: tuple[str, str, str], export: Sequence[str], *, first: bool
) -> Iterator[GaugePoint]:
    """Yield how the outputs of a canary or shadow compare with the live version's.

    Its inputs are not alarmed about: a canary may well be meant to get other traffic.
    """
    verdict, baseline = closed.verdict, closed.window.baseline
    if baseline is None or not (baseline.rows or baseline.version):
        return  # there has been no live version
    at = (*head[:2], label(baseline))
    yield from _aggregates(verdict, at, export, (OUTPUTS,))
    if first:
        yield from _features(verdict, at, export, shown_outputs(verdict.slots), OUTPUTS)


def _aggregates(
    verdict: WindowVerdict,
    head: tuple[str, str, str],
    export: Sequence[str],
    families: Sequence[str] = (*FAMILIES, CORRELATION, SEGMENTS),
) -> Iterator[GaugePoint]:
    window = verdict.spec.label
    yield GaugePoint(m.DRIFT_WINDOW_ROWS, (*head, window), float(verdict.rows))
    for state, number in verdict.states().items():
        yield GaugePoint(m.DRIFT_FEATURES, (*head, window, state), float(number))
    if DETECTED in export:
        for family, detected in verdict.detected.items():
            if family in families:
                yield GaugePoint(m.DRIFT_DETECTED, (*head, "", window, family), float(detected))


def _features(
    verdict: WindowVerdict,
    head: tuple[str, str, str],
    export: Sequence[str],
    members: Container[str],
    only: str = "",
) -> Iterator[GaugePoint]:
    window = verdict.spec.label
    for feature, quality in zip(verdict.features, verdict.quality, strict=True):
        if feature.name not in members or only not in ("", feature.family):
            continue
        at = (*head, feature.name, window)
        for spec, value in _values(feature.finding, export):
            yield GaugePoint(spec, at, value)
        if DETECTED in export:
            for family, run in ((feature.family, feature.run), (QUALITY, quality.run)):
                if run.detected is not None and only in ("", family):
                    yield GaugePoint(m.DRIFT_DETECTED, (*at, family), float(run.detected))
        if DATA_QUALITY in export and only == "":
            for check in quality.shares.checks:
                yield GaugePoint(_SHARES[check.name], at, check.share)


def _values(finding: Finding, export: Sequence[str]) -> Iterator[tuple[MetricSpec, float]]:
    if finding.reason:
        return
    if PSI in export:
        yield m.DRIFT_EFFECTIVE_ROWS, finding.effective_rows
    for name, (spec, field) in _VALUES.items():
        value = getattr(finding, field) if name in export else None
        if value is not None:
            yield spec, value
