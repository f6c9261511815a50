"""Units, thresholds and colours as Grafana names them."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.panels import FLAG_UNIT, SHARE_UNIT

GREEN = "green"
COLOURS = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}

_UNITS = {
    SHARE_UNIT: units.PercentUnit,
    FLAG_UNIT: units.NoUnit,
    "": units.Short,
    "s": units.Seconds,
    "%": units.Percent,
    "By": units.BytesIEC,
    "By/s": units.BytesPerSecondSI,
    "W": units.Watt,
    "J": units.Joule,
    "g": units.Gram,
    "Cel": units.Celsius,
    "Hz": units.Hertz,
    "{request}/s": units.RequestsPerSecond,
    "{row}/s": units.RowsPerSecond,
    "{event}/s": units.OpsPerSecond,
}
# Grafana colours from a value on; an alert above 0 must not colour 0.
_JUST_ABOVE_ZERO = 0.001


def unit(of: str) -> str:
    """Return Grafana's name of a unit; one that it has no name for is written behind the number."""
    if of in _UNITS:
        return _UNITS[of]
    if of.startswith("{") and of.endswith("}/s"):
        return f"suffix: {of[1:-3]}s/s"
    if of.startswith("{") and of.endswith("}"):
        return "short"
    return f"suffix: {of}"


def mappings(of: str) -> list[model.ValueMapping]:
    """Return the words for a flag's two values."""
    if of != FLAG_UNIT:
        return []
    words = {"0": "no", "1": "yes"}
    options = {key: model.ValueMappingResult(text=text) for key, text in words.items()}
    return [model.ValueMap(options=options)]


def thresholds(alerts: Sequence[AlertDefinition]) -> build.ThresholdsConfig:
    """Return the colours of a value: green where no alert would speak."""
    first, steps = GREEN, []
    for alert in sorted(alerts, key=lambda alert: alert.threshold):
        colour = COLOURS[alert.severity]
        match alert.comparison:
            case Comparison.ABOVE | Comparison.AT_LEAST:
                steps.append((alert.threshold or _JUST_ABOVE_ZERO, colour))
            case Comparison.EQUAL if alert.threshold:
                steps.append((alert.threshold, colour))
            case Comparison.EQUAL:
                first = colour
                steps.append((_JUST_ABOVE_ZERO, GREEN))
            case Comparison.BELOW | Comparison.AT_MOST:
                first = colour
                steps.append((alert.threshold, GREEN))
            case Comparison.OUTSIDE:
                first = colour
                low = alert.threshold if alert.low is None else alert.low
                steps += [(low, GREEN), (alert.threshold, colour)]
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                model.Threshold(value=None, color=first),
                *(model.Threshold(value=value, color=colour) for value, colour in sorted(steps)),
            ]
        )
    )
