"""Verdicts, reasons and numbers in words, for the page and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_drift.judge import FLOOR_DISTANCE, FLOOR_H, FLOOR_PSI, LOW_POWER_ROWS
from tidegauge_drift.report.result import POOLED

if TYPE_CHECKING:
    from tidegauge_drift.report.result import DriftReport, FeatureReport, Quality

FAMILIES = {
    "inputs": "Inputs",
    "outputs": "Outputs",
    "data_quality": "Data quality",
    "segments": "Segments",
}
STATISTICS = {
    "psi": "PSI, ten quantile bins",
    "psi_equal_width": "PSI, ten equal bins",
    "ks": "Kolmogorov-Smirnov",
    "kl_divergence": "Kullback-Leibler",
    "js_distance": "Jensen-Shannon",
    "hellinger_distance": "Hellinger",
    "wasserstein_distance": "Wasserstein",
    "wasserstein_in_sd": "Wasserstein, in sd",
    "chi_square": "Chi-square",
    "mmd": "Maximum mean discrepancy",
    "classifier_auc": "AUC of a classifier of both sides",
}
QUALITY = {
    "missing": "missing",
    "type_error": "of a wrong type",
    "out_of_range": "out of range",
    "new_category": "new categories",
}
EFFECTS = {
    "ks": ("KS", FLOOR_DISTANCE),
    "share": ("share", FLOOR_DISTANCE),
    "psi": ("PSI", FLOOR_PSI),
    "cohens_h": ("Cohen's h", FLOOR_H),
}
_SMALLEST, _LARGEST = 1e-4, 1e7
NOTHING = "–"  # noqa: RUF001 - a dash stands for no number


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it; a dash where there is none."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < _LARGEST:
        return f"{value:,.0f}"
    if _SMALLEST <= abs(value) < _LARGEST:
        return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    return f"{value:.{digits - 1}g}"


def percent(share: float) -> str:
    """Return a share in percent; never 0 % or 100 % for what is not exactly that."""
    if share in (0, 1):
        return f"{100 * share:.0f}\u00a0%"
    if share < _SMALLEST:
        return "<\u00a00.01\u00a0%"
    if share > 1 - _SMALLEST:
        return ">\u00a099.99\u00a0%"
    shown = f"{100 * share:.1f}" if 0.01 <= share <= 0.99 else f"{100 * share:.2f}"  # noqa: PLR2004
    return f"{shown}\u00a0%"


def p_value(p: float | None) -> str:
    """Return a p-value."""
    if p is None:
        return NOTHING
    return "< 1e-300" if p < 1e-300 else f"{p:.2g}"  # noqa: PLR2004 - close to the least float


def with_p(p: float | None) -> str:
    """Return a p-value with its sign: ``p = 0.012``."""
    said = p_value(p)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def verdict(feature: FeatureReport) -> str:
    """Return the verdict in a few words."""
    if feature.drifted is None:
        return "No verdict"
    return "Drifted" if feature.drifted else "No drift"


def multiple(value: float) -> str:
    """Return an effect in units of its floor."""
    return f"{value:.1f}" if value >= 1 else number(value, 2)


def times_floor(feature: FeatureReport) -> str:
    """Return an effect as so many times its floor, so that it is no value: ``1.9 x KS 0.05``."""
    what, floor = EFFECTS[feature.effect_of]
    return f"{multiple(feature.effect)} x {what} {floor}"


def effect(feature: FeatureReport) -> str:
    """Return the largest change and its floor: ``KS 0.094, floor 0.05``."""
    what, floor = EFFECTS[feature.effect_of]
    return f"{what} {number(feature.effect * floor, 3)}, floor {floor}"


def explanation(feature: FeatureReport, alpha: float) -> str:
    """Say in a sentence or two why the verdict is what it is."""
    if feature.drifted is None:
        return f"No verdict: {feature.reason}."
    p = with_p(feature.adjusted_p_value)
    certain = feature.adjusted_p_value is not None and feature.adjusted_p_value <= alpha
    if feature.drifted:
        said = f"Drifted: {effect(feature)}; {p} after correction."
    elif certain:
        said = f"No drift: the change is certain ({p}) but small ({effect(feature)})."
    elif feature.effect >= 1:
        said = f"No drift: rows like these change that much by chance ({p}; {effect(feature)})."
    else:
        said = f"No drift: {p} after correction; {effect(feature)}."
    if feature.low_power:
        rows = min(feature.effective_rows)
        said += f" Low power: {number(rows)} rows; small changes need {LOW_POWER_ROWS}."
    return said


def brief(feature: FeatureReport, alpha: float) -> str:
    """Say the same in two words, or the reason why there is no verdict."""
    if feature.drifted is None:
        return feature.reason
    said = []
    certain = feature.adjusted_p_value is not None and feature.adjusted_p_value <= alpha
    if certain != (feature.effect >= 1):
        said.append("certain, but small" if certain else "by chance")
    return ", ".join([*said, "low power"] if feature.low_power else said)


def quality(check: Quality) -> str:
    """Say how a share changed."""
    shares = f"{percent(check.reference)}\u00a0→ {percent(check.current)}"
    return f"{QUALITY.get(check.name, check.name)} {shares}"


def flags(feature: FeatureReport) -> str:
    """List the shares that changed."""
    return "; ".join(quality(check) for check in feature.quality if check.flagged)


def notes(report: DriftReport) -> list[str]:
    """Say what the verdicts do not know."""
    found = list(report.sketches)
    if report.order == "unknown":
        found.append(
            "The order of the reference's rows is unknown: rows count as independent. Rows that "
            "depend on each other in time differ by more than chance, and are flagged for it."
        )
    if report.season == POOLED:
        found.append(
            "The reference has a season, but the times of the current rows are not known: they are "
            "compared with all hours together. A time column tells them."
        )
    return found


def headline(report: DriftReport) -> str:
    """Say what a reader must know."""
    counts = report.summary
    total = counts["features"]
    said = []
    if counts["drifted"]:
        said.append(f"{counts['drifted']} of {total} features drifted")
    if counts["quality_flagged"]:
        said.append(f"the data quality of {counts['quality_flagged']} changed")
    if counts["missing"]:
        said.append(f"{counts['missing']} missing from current")
    if report.segments is not None and report.segments.drifted:
        differ = sum(bool(segment.drifted) for segment in report.segments.segments)
        said.append(f"drift in {differ} of {len(report.segments.segments)} segments")
    if not said:
        tested = counts["not_drifted"]
        if not tested:
            return "No feature could be judged"
        of = f"{tested} of {total}" if tested < total else f"{total}"
        return f"No drift in {of} feature{'' if of == '1' else 's'}"
    text = ", ".join(said)
    return text[0].upper() + text[1:]
