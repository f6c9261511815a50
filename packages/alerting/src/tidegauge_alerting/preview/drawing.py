"""Lines as SVG: only numbers and our own words get in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegauge_alerting.preview.answers import Line, Span
from tidegauge_alerting.preview.figures import escape, figure

#: So many colours the page has; further lines are dashed.
COLOURS = 8

_WIDTH, _HEIGHT = 600, 160
_MINUTE_S, _DAY_S = 60, 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """A line at the threshold of an alert."""

    value: float
    name: str
    severity: str


def picture(
    lines: Sequence[Line],
    span: Span,
    limits: Sequence[Limit] = (),
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Return the lines with their axes; the thresholds that are far above are left out."""
    low, high = _range(lines, limits)
    unit = lines[0].unit
    drawn = [_mark(at_s, text, span) for at_s, text in marks]
    drawn += [_limit(limit, low, high) for limit in limits if low <= limit.value <= high]
    drawn += [_line(line, number, span, low, high) for number, line in enumerate(lines)]
    ticks = "".join(
        f"<span>{figure(value, unit)}</span>" for value in (high, (high + low) / 2, low)
    )
    moments = (span.start_s, span.start_s + span.length_s / 2, span.end_s)
    times = "".join(f"<span>{clock(at_s, span)}</span>" for at_s in moments)
    return (
        f'<div class="chart"><div class="y">{ticks}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{len(lines)} lines from {figure(low, unit)} to {figure(high, unit)}">'
        f'<path class="grid" d="M0 0H{_WIDTH}M0 {_HEIGHT // 2}H{_WIDTH}M0 {_HEIGHT}H{_WIDTH}"/>'
        f'{"".join(drawn)}</svg><div class="x">{times}</div></div>'
    )


def spark(line: Line, span: Span) -> str:
    """Return one line alone, without axes."""
    low, high = _range([line], ())
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true">{_line(line, 0, span, low, high)}</svg>'
    )


def clock(at_s: float, span: Span) -> str:
    """Return a moment as the axis has it, in UTC."""
    form = "%H:%M" if span.length_s <= _DAY_S else "%d %b %H:%M"
    return time.strftime(form, time.gmtime(at_s))


def look(number: int) -> str:
    """Return the classes of a line, and of its sign in the legend."""
    return f"s{number % COLOURS}" + (" dashed" if number >= COLOURS else "")


def _range(lines: Sequence[Line], limits: Sequence[Limit]) -> tuple[float, float]:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    low, high = min([0.0, *values]), max([0.0, *values])
    # A threshold that is near belongs in the picture; one that is far would flatten the lines.
    near = [limit.value for limit in limits if low <= limit.value <= 3 * high or high == low]
    high = max([high, *(1.1 * value for value in near)])
    return low, high if high > low else low + 1.0


def _line(line: Line, number: int, span: Span, low: float, high: float) -> str:
    d = "".join(_moves(line, span, low, high))
    return f'<path class="line {look(number)}" d="{d}"><title>{escape(line.legend)}</title></path>'


def _moves(line: Line, span: Span, low: float, high: float) -> Iterator[str]:
    before_s = -math.inf
    for at_s, value in line.points:
        if not math.isfinite(value):
            continue
        x, y = _x(at_s, span), _y(value, low, high)
        if at_s - before_s > 1.5 * span.step_s:
            # Where there were no data there is no line; a point that is alone is a dot.
            yield f"M{x:.1f} {y:.1f}h.01"
        else:
            yield f"L{x:.1f} {y:.1f}"
        before_s = at_s


def _limit(limit: Limit, low: float, high: float) -> str:
    y = _y(limit.value, low, high)
    return (
        f'<path class="limit {limit.severity}" d="M0 {y:.1f}H{_WIDTH}">'
        f"<title>{escape(limit.name)}</title></path>"
    )


def _mark(at_s: float, text: str, span: Span) -> str:
    x = _x(at_s, span)
    return f'<path class="mark" d="M{x:.1f} 0V{_HEIGHT}"><title>{escape(text)}</title></path>'


def _x(at_s: float, span: Span) -> float:
    return max(0.0, min(1.0, (at_s - span.start_s) / span.length_s)) * _WIDTH


def _y(value: float, low: float, high: float) -> float:
    return (1 - (value - low) / (high - low)) * _HEIGHT
