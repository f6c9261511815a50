"""Pieces of PromQL: names, numbers, selectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec

    from tidegauge_alerting.measures import Where

# What RE2 reads as more than itself. re.escape would escape more, and read worse.
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


def duration(seconds: int) -> str:
    """Return seconds as Prometheus writes them: 5m, 1h, 90s."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def sum_by(by: Sequence[str], function: str, selector: str, window_s: int) -> str:
    """Return the sum of a function of a window, such as ``increase``, by some attributes."""
    return f"sum by ({names(by)}) ({function}({selector}[{duration(window_s)}]))"


def select(metric: MetricSpec, where: Sequence[Where] = ()) -> str:
    """Return the selector of a metric's series."""
    matchers = ",".join(matcher(each.attribute, each.values) for each in where)
    return prometheus_name(metric) + (f"{{{matchers}}}" if matchers else "")


def matcher(attribute: str, values: Sequence[str], *, unlike: bool = False) -> str:
    """Return what keeps the series whose attribute has one of the values, or none of them."""
    label = label_name(attribute)
    if len(values) == 1:
        return f"{label}{'!=' if unlike else '='}{quote(values[0])}"
    any_of = "|".join(_SPECIAL.sub(r"\\\1", value) for value in values)
    return f"{label}{'!~' if unlike else '=~'}{quote(any_of)}"


def quote(text: str) -> str:
    """Return a text as a string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def names(keys: Sequence[str]) -> str:
    """Return attributes as a list of labels."""
    return ", ".join(label_name(key) for key in keys)


def number(value: float) -> str:
    """Return a number without digits that float64 does not have."""
    return f"{value:.15g}"
