"""Numbers and texts as a tired reader wants them: short, with a unit, and never as markup."""

from __future__ import annotations

import html
import math

from tidegauge_alerting.panels import FLAG_UNIT, SHARE_UNIT

_LONGEST = 200
_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_LARGE = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k"))
_SCALES = {"By": _BYTES, "s": _TIMES}


def visible(text: str) -> str:
    """Return a text of one line, of which all can be seen.

    A sign that cannot, such as one that turns the direction of writing, becomes a mark.
    """
    seen = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    if len(seen) <= _LONGEST:
        return seen
    return seen[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def escape(text: str) -> str:
    """Return a text for the page, whatever a label's value holds."""
    return html.escape(visible(text), quote=True)


def figure(value: float, unit: str) -> str:
    """Return a value with its unit."""
    if not math.isfinite(value):
        return "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    if unit == FLAG_UNIT and value in (0, 1):
        return "yes" if value else "no"
    if unit == SHARE_UNIT:
        return f"{_short(value * 100)} %"
    if unit.endswith("/s"):
        return f"{_with(value, unit[:-2])}/s"
    return _with(value, unit)


def _with(value: float, unit: str) -> str:
    for size, name in _SCALES.get(unit, ()):
        if abs(value) >= size:
            return f"{_short(value / size)} {name}"
    if unit.startswith("{") or unit in ("", FLAG_UNIT):
        return _short(value)  # what is counted stands in the title
    return f"{_short(value)} {unit}"


def _short(value: float) -> str:
    for size, name in _LARGE:
        if abs(value) >= size:
            return f"{value / size:.3g}{name}"
    if abs(value) >= 1000:  # noqa: PLR2004 - three digits would hide the fourth
        return f"{value:.0f}"
    if abs(value) < 1e-9:  # noqa: PLR2004 - nothing that rounding leaves is worth a line
        return "0"
    return f"{value:.3g}"
