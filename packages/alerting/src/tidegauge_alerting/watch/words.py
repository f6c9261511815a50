"""What people read of an alert: its texts with every placeholder filled in, on one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.texts import Placeholder, constant, parts
from tidegauge_alerting.watch.vector import Labels

# Prometheus's steps below one.
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")


def filled(text: str, definition: AlertDefinition, labels: Labels, value: float) -> str:
    """Return one of an alert's texts as Prometheus would show it for some labels and a value."""
    carried = dict(labels)
    return "".join(
        part if isinstance(part, str) else _shown(part, definition, carried, value)
        for part in parts(text, definition)
    )


def one_line(text: str, most: int) -> str:
    """Return a text on one line, cut where it is too long; control characters become spaces."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def moment(at_s: float) -> str:
    """Return a time as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )  # fmt: skip


def percent(value: float) -> str:
    """Return a share as Prometheus's ``humanizePercentage`` writes it."""
    return f"{value * 100:.4g}%"


def duration(seconds: float) -> str:
    """Return a time as Prometheus's ``humanizeDuration`` writes it."""
    if not math.isfinite(seconds):
        return f"{seconds:.4g}"
    size, sign = abs(seconds), "-" if seconds < 0 else ""
    if size >= 1:
        whole = int(size)
        days, hours, minutes, rest = (
            whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
        )  # fmt: skip
        if days:
            return f"{sign}{days}d {hours}h {minutes}m {rest}s"
        if hours:
            return f"{sign}{hours}h {minutes}m {rest}s"
        if minutes:
            return f"{sign}{minutes}m {rest}s"
        return f"{seconds:.4g}s"
    prefix = ""
    for each in _SMALL:
        if size >= 1 or size == 0:
            break
        prefix, size = each, size * 1000
    return f"{sign}{size:.4g}{prefix}s"


def _shown(
    placeholder: Placeholder, definition: AlertDefinition, carried: Mapping[str, str], value: float
) -> str:
    fixed = constant(placeholder, definition)
    if fixed is not None:
        return fixed
    match placeholder:
        case Placeholder("model"):
            version = carried.get(a.MODEL_VERSION, "")
            found = carried.get(a.MODEL_NAME, "") + (f" version {version}" if version else "")
        case Placeholder("target"):
            found = f"{carried.get('job', '')} at {carried.get('instance', '')}"
        case Placeholder("see"):
            found = " and ".join(prometheus_name(spec) for spec in definition.see)
        case Placeholder("value", form):
            found = _FORMS[form](value)
        case _:
            found = carried.get(label_name(placeholder.name), "")
    return found


_FORMS: dict[str, Callable[[float], str]] = {
    "number": lambda value: f"{value:.3g}",
    "percent": percent,
    "duration": duration,
}
