"""Stored verdicts as gauges; reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.batch import GaugePoint
from tidegauge_semconv import MetricSpec
from tidegauge_semconv import metrics as m

from tidegauge_drift.settings import DETECTED, JS, KL, KS, PSI, WASSERSTEIN
from tidegauge_drift.verdict import FAMILIES, QUALITY, STATES, WindowVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegauge_drift.evaluator import Snapshot
    from tidegauge_drift.judge import Finding
    from tidegauge_drift.window import WindowSpec

# The metric of each value that can be exported, and where a finding has it.
_VALUES = {
    PSI: (m.DRIFT_PSI_VALUE, "psi"),
    KS: (m.DRIFT_KS_STATISTIC, "ks"),
    KL: (m.DRIFT_KL_DIVERGENCE, "kl"),
    JS: (m.DRIFT_JS_DISTANCE, "js"),
    WASSERSTEIN: (m.DRIFT_WASSERSTEIN_DISTANCE, "wasserstein"),
}


def budget(max_series: int, windows: int, export: Sequence[str]) -> int:
    """Return how many features fit: aggregates are always there."""
    aggregates = 1 + windows * (1 + len(STATES) + len(FAMILIES))
    each = 2 * (DETECTED in export) + (PSI in export)  # PSI with its effective rows
    each += sum(name in _VALUES for name in export)
    return max(1, (max_series - aggregates) // max(1, each))


def points(
    snapshot: Snapshot,
    windows: Sequence[WindowSpec],
    export: Sequence[str],
    *,
    weekly: bool = False,
) -> Iterator[GaugePoint]:
    """Yield the gauges of one model; ``weekly`` if the week before is the baseline."""
    layout, model = snapshot.layout, snapshot.model
    head = (model.name, model.version, layout.reference)
    source = f"previous_week on {layout.source}" if weekly else layout.source
    info = (*head, source, layout.built, str(layout.rows))
    yield GaugePoint(m.DRIFT_REFERENCE_INFO, info, 1.0)
    for spec in windows:
        verdict = snapshot.verdict(spec)
        if verdict is None:
            continue
        yield from _aggregates(verdict, head, export)
        if spec == windows[0]:
            yield from _features(verdict, head, export, snapshot.members)


def _aggregates(
    verdict: WindowVerdict, head: tuple[str, str, str], export: Sequence[str]
) -> Iterator[GaugePoint]:
    label = verdict.spec.label
    yield GaugePoint(m.DRIFT_WINDOW_ROWS, (*head, label), float(verdict.rows))
    for state, number in verdict.states().items():
        yield GaugePoint(m.DRIFT_FEATURES, (*head, label, state), float(number))
    if DETECTED in export:
        for family, detected in verdict.detected.items():
            yield GaugePoint(m.DRIFT_DETECTED, (*head, "", label, family), float(detected))


def _features(
    verdict: WindowVerdict,
    head: tuple[str, str, str],
    export: Sequence[str],
    members: dict[str, int],
) -> Iterator[GaugePoint]:
    label = verdict.spec.label
    for feature, quality in zip(verdict.features, verdict.quality, strict=True):
        if feature.name not in members:
            continue
        at = (*head, feature.name, label)
        for spec, value in _values(feature.finding, export):
            yield GaugePoint(spec, at, value)
        if DETECTED in export:
            for family, run in ((feature.family, feature.run), (QUALITY, quality.run)):
                if run.detected is not None:
                    yield GaugePoint(m.DRIFT_DETECTED, (*at, family), float(run.detected))


def _values(finding: Finding, export: Sequence[str]) -> Iterator[tuple[MetricSpec, float]]:
    if finding.reason:
        return
    if PSI in export:
        yield m.DRIFT_EFFECTIVE_ROWS, finding.effective_rows
    for name, (spec, field) in _VALUES.items():
        value = getattr(finding, field) if name in export else None
        if value is not None:
            yield spec, value
