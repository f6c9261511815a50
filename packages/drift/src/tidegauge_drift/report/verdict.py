"""All features judged together: families, adjusted p-values, flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.multiplicity import benjamini_hochberg
from tidegauge_drift.report.result import FeatureReport, Quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.report.evidence import Evidence


def decide(tests: Sequence[tuple[float | None, float]], alpha: float) -> list[tuple[float, bool]]:
    """Judge one family of tests: adjusted p-values, and which are flagged.

    A test is a p-value (None: there is none, and nothing is said) and an effect in units of its
    floor. Flagged is what is at most ``alpha`` after Benjamini and Hochberg, and above the floor.
    """
    adjusted = iter(benjamini_hochberg([p for p, _ in tests if p is not None]).tolist())
    found = [1.0 if p is None else next(adjusted) for p, _ in tests]
    return [
        (p, p <= alpha and effect >= 1 and before is not None)
        for p, (before, effect) in zip(found, tests, strict=True)
    ]


def judge(evidence: Sequence[Evidence], alpha: float) -> list[FeatureReport]:
    """Return the features' reports: inputs, outputs and data quality are families of their own."""
    return _judge(evidence, alpha, [(INPUTS,), (OUTPUTS,)])


def judge_together(evidence: Sequence[Evidence], alpha: float) -> list[FeatureReport]:
    """Return the reports of features in segments: values are one family, data quality is one."""
    return _judge(evidence, alpha, [(INPUTS, OUTPUTS)])


def _judge(
    evidence: Sequence[Evidence], alpha: float, families: Sequence[tuple[str, ...]]
) -> list[FeatureReport]:
    verdicts: dict[int, tuple[float, bool]] = {}
    for family in families:
        members = [i for i, found in enumerate(evidence) if found.family in family]
        tests = [(evidence[i].test.p_value, evidence[i].test.effect) for i in members]
        verdicts.update(zip(members, decide(tests, alpha), strict=True))
    checks = [(share.check.p_value, share.check.effect) for e in evidence for share in e.shares]
    quality = iter(decide(checks, alpha))
    return [
        _feature(found, verdicts[i], [next(quality) for _ in found.shares])
        for i, found in enumerate(evidence)
    ]


def _feature(
    found: Evidence, verdict: tuple[float, bool], quality: Sequence[tuple[float, bool]]
) -> FeatureReport:
    test = found.test
    known = test.p_value is not None
    return FeatureReport(
        name=found.name,
        family=found.family,
        kind=found.kind,
        drifted=verdict[1] if known else None,
        reason=test.reason,
        effect=test.effect,
        effect_of=test.effect_of,
        p_value=test.p_value,
        adjusted_p_value=verdict[0] if known else None,
        effective_rows=found.effective_rows,
        reference=found.reference,
        current=found.current,
        statistics=found.statistics,
        quality=tuple(
            Quality(
                s.check.name, s.reference, s.check.share, s.check.p_value, p, s.check.effect, flag
            )
            for s, (p, flag) in zip(found.shares, quality, strict=True)
        ),
        bins=found.bins,
        histogram=found.histogram,
    )
