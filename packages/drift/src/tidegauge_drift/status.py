"""What is known of a model's drift now, as a document for people and for ``tidegauge explain``.

It holds counts, shares and names, and no value of a live row: the ends of bins and the names of
categories are the reference's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift import segment_status
from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.correlation_status import changed
from tidegauge_drift.moves import Sides
from tidegauge_drift.optional import shown
from tidegauge_drift.segment_table import SEGMENTS
from tidegauge_drift.settings import CLASSIC, PAGING
from tidegauge_drift.verdict import CORRELATION, MISMATCH, QUALITY, SUSPECTED, VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.snapshot import Closed, Snapshot
    from tidegauge_drift.verdict import FeatureVerdict, QualityVerdict
    from tidegauge_drift.window import Baseline, WindowSpec

FORMAT = 1
# Of each kind of window: features that are listed, and those of them that have their bins.
MAXIMUM_FEATURES = 100
MAXIMUM_BINS = 20
LONGEST_NAME = 200


def document(snapshot: Snapshot, windows: Sequence[WindowSpec], rows: dict[str, int]) -> Any:
    """Return the status of a model as plain values; its size is bounded.

    Parameters
    ----------
    snapshot : Snapshot
        The closed windows and their verdicts.
    windows : sequence of WindowSpec
        All kinds of windows.
    rows : dict
        Rows in the open window of each kind, by its label.
    """
    layout, model = snapshot.layout, snapshot.model
    return {
        "format": FORMAT,
        "model": model.name,
        "version": model.version,
        "role": snapshot.role,
        "reference": {
            "id": layout.reference,
            "source": layout.source,
            "built": layout.built,
            "rows": layout.rows,
        },
        "mode": CLASSIC if layout.wanted.classic else PAGING,
        "schema": [
            {"kind": found.kind, "texts": list(found.texts), "since_s": found.since_s}
            for found in snapshot.schema
        ],
        "windows": [
            {"window": spec.label, "open_rows": rows.get(spec.label, 0)}
            | (_closed(snapshot.closed[spec][0], layout) if snapshot.closed.get(spec) else {})
            | ({"live": _versus(snapshot.versus[spec])} if spec in snapshot.versus else {})
            for spec in windows
        ],
    }


def _closed(closed: Closed, layout: Layout) -> dict[str, Any]:
    window, verdict = closed.window, closed.verdict
    pairs = list(zip(verdict.features, verdict.quality, strict=True))
    order = sorted(range(len(pairs)), key=lambda i: _rank(*pairs[i]), reverse=True)
    listed = order[:MAXIMUM_FEATURES]
    found: dict[str, Any] = {
        "opened_s": window.opened_s,
        "closed_s": window.closed_s,
        "rows": window.rows,
        "kept_one_in": [window.stride_min, window.stride_max],
        "reference_mismatch": verdict.mismatch,
        "baseline": _baseline(window.baseline),
        "dependence": verdict.dependence,
        "families": {
            family: {
                "detected": on,
                "since_s": segment_status.since_s(verdict)
                if family == SEGMENTS
                else _since(pairs, family),
            }
            for family, on in verdict.detected.items()
            if family != CORRELATION
        },
        "segments": segment_status.segments(verdict, layout),
        "states": verdict.states(),
        "features": [
            _feature(*pairs[i], Sides.of(window, layout, i))
            | ({"bins": _bins(Sides.of(window, layout, i), layout, i)} if n < MAXIMUM_BINS else {})
            for n, i in enumerate(listed)
        ],
        "features_left_out": len(order) - len(listed),
    }
    if layout.correlated is not None and verdict.pairs:
        said = changed(layout.correlated, verdict.pairs)
        found["correlation"] = said
        if CORRELATION in verdict.detected:
            alarm = {name: said[name] for name in ("detected", "since_s")}
            found["families"][CORRELATION] = alarm
    return found


def _baseline(baseline: Baseline | None) -> dict[str, Any] | None:
    """Return what the window was compared with; None is the reference."""
    if baseline is None:
        return None
    return {"kind": "previous_week", "alarmed": shown(baseline.alarmed)}


def _versus(closed: Closed) -> dict[str, Any]:
    """Return how a canary or shadow compares with the live version in the same window."""
    verdict, baseline = closed.verdict, closed.window.baseline
    assert baseline is not None  # noqa: S101 - it is what makes it one
    pairs = list(zip(verdict.features, verdict.quality, strict=True))
    inputs = [pair for pair in pairs if pair[0].family == INPUTS]
    outputs = [pair[0] for pair in pairs if pair[0].family == OUTPUTS]
    return {
        "version": baseline.version,
        "rows": baseline.rows,
        "detected": bool(verdict.detected.get(OUTPUTS)),
        "since_s": _since(pairs, OUTPUTS),
        "inputs_differ": [
            feature.name[:LONGEST_NAME]
            for feature, quality in sorted(inputs, key=lambda pair: -effect(*pair))
            if feature.flagged or quality.flagged
        ][:MAXIMUM_BINS],
        "outputs": [
            {
                "output": feature.name[:LONGEST_NAME],
                "state": feature.state,
                "reason": feature.finding.reason,
                "effect": shown(feature.finding.effect),
                "psi": shown(feature.finding.psi),
                "ks": shown(feature.finding.ks),
            }
            for feature in sorted(outputs, key=lambda each: -each.finding.effect)
        ][:MAXIMUM_BINS],
    }


def _rank(feature: FeatureVerdict, quality: QualityVerdict) -> tuple[int, float]:
    """Order features: those that alarm, those that differ, the others; each by effect."""
    if feature.run.detected or quality.run.detected or feature.state == MISMATCH:
        urgency = 2
    else:
        urgency = int(feature.state == SUSPECTED or quality.flagged is True)
    return urgency, effect(feature, quality)


def effect(feature: FeatureVerdict, quality: QualityVerdict) -> float:
    """Return the largest effect in units of its floor, of the values or of a share."""
    shares = max((check.effect for check in quality.shares.checks), default=0.0)
    return max(feature.finding.effect, shares)


def _since(pairs: list[tuple[FeatureVerdict, QualityVerdict]], family: str) -> int | None:
    if family == QUALITY:
        times = [quality.since_s for _, quality in pairs if quality.run.detected]
    else:
        times = [f.since_s for f, _ in pairs if f.family == family and f.run.detected]
    return min(times, default=None)


def _feature(feature: FeatureVerdict, quality: QualityVerdict, sides: Sides) -> dict[str, Any]:
    found = feature.finding
    return {
        "feature": feature.name[:LONGEST_NAME],
        "family": feature.family,
        "state": feature.state,
        "detected": feature.run.detected is True,
        "since_s": feature.since_s or None,
        "effect": shown(effect(feature, quality)),
        "rows": found.rows,
        "effective_rows": shown(found.effective_rows),
        "psi": shown(found.psi),
        "ks": shown(found.ks),
        **{name: shown(getattr(found, name)) for name in VALUES
           if getattr(found, name) is not None},
        "rules": list(found.rules),
        "reason": found.reason,
        "quality": {
            "detected": quality.run.detected is True,
            "flagged": quality.flagged is True,
            "since_s": quality.since_s or None,
            "checks": [
                {"check": check.name, "effect": shown(check.effect)}
                | dict(zip(("reference", "now"), map(shown, sides.quality(check.name)),
                           strict=True))
                for check in quality.shares.checks
            ],
        },
    }  # fmt: skip


def _bins(sides: Sides, layout: Layout, i: int) -> list[dict[str, Any]]:
    p, q = sides.shares()
    return [
        {"bin": label, "reference": shown(then), "now": shown(now)}
        for label, then, now in zip(layout.ranges.labels(i), p, q, strict=True)
    ]
