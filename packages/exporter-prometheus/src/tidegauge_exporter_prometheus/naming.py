"""OpenTelemetry names to Prometheus names: pure, and the same for an app's own instruments.

The recipe is OpenTelemetry's Prometheus compatibility page as its Python exporter applies it: a
unit becomes a suffix, a unit in braces and the unit ``1`` do not, a counter ends in ``_total``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tidegauge_semconv import Kind, MetricSpec

TOTAL = "_total"

# A run becomes one underscore: underscores themselves are in the run, so "a__b" becomes "a_b".
_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9]+")
_ANNOTATION = re.compile(r"\{.*\}")

# UCUM symbol -> the plural word that Prometheus uses.
_UNITS = {
    "1": "",  # dimensionless: the Python exporter adds no "ratio", other translators do
    "%": "percent",
    "ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds",
    "min": "minutes", "h": "hours", "d": "days",
    "By": "bytes",
    "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tibibytes",
    "A": "amperes", "V": "volts", "W": "watts", "J": "joules", "Hz": "hertz",
    "Cel": "celsius", "g": "grams", "m": "meters",
}  # fmt: skip

# After "per" the word is singular.
_PER = {
    "s": "second", "m": "minute", "h": "hour",
    "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip


def prometheus_name(spec: MetricSpec) -> str:
    """Return the name under which a metric of the suite is queried.

    A counter's name has its ``_total``; a histogram's series add ``_bucket``, ``_count``, ``_sum``.
    """
    family = family_name(spec.name, spec.unit, spec.kind)
    return family + TOTAL if spec.kind is Kind.COUNTER else family


def family_name(name: str, unit: str, kind: Kind) -> str:
    """Return the name of the metric family: without ``_total``, with the unit.

    Raises
    ------
    ValueError
        Nothing of the name is left.
    """
    clean = _NOT_IN_METRIC.sub("_", _no_leading_digit(name))
    if kind is Kind.COUNTER:
        clean = clean.removesuffix(TOTAL)
    suffix = unit_suffix(unit)
    if suffix and not clean.endswith("_" + suffix):
        clean = f"{clean}_{suffix}"
    if not clean.strip("_"):
        raise ValueError(f"metric name: got {name!r}; expected a letter in it. Rename the metric.")
    return clean


@lru_cache(maxsize=4096)
def label_name(key: str) -> str:
    """Return an attribute's key as a label name."""
    return _NOT_IN_LABEL.sub("_", _no_leading_digit(key)) or "_"


def unit_suffix(unit: str) -> str:
    """Return the word that a UCUM unit adds to a name, empty for none."""
    unit = _ANNOTATION.sub("", unit)
    if unit in _UNITS:
        return _UNITS[unit]
    top, slash, bottom = unit.partition("/")
    bottom = _word(bottom)
    if slash and bottom:
        top = _UNITS.get(_word(top), _word(top))
        per = f"per_{_PER.get(bottom, bottom)}"
        return f"{top}_{per}" if top else per
    return _word(unit).strip("_")


def _word(unit: str) -> str:
    return _NOT_IN_METRIC.sub("_", unit)


def _no_leading_digit(name: str) -> str:
    return "_" + name[1:] if name[:1].isdigit() else name
