"""Charts as SVG: two shares on the same bins, without scripts and without fonts of their own."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from tidegauge_drift.report.words import number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.report.result import Bin, Histogram

WIDTH, HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 30
_BAR, _GAP, _LABEL = 10, 30, 150
_LONGEST = 22
_TICKS = 5
_NEAR = 0.06  # of the width: closer to an end the text would be cut off


def overlay(histogram: Histogram, title: str, description: str, key: str) -> str:
    """Draw both distributions over each other: the reference filled, current as a line."""
    edges = histogram.edges
    top = max(*histogram.reference, *histogram.current, 1e-9)
    plot = _Plot(edges[0], edges[-1], top)
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for y, label in ((plot.y(share), percent(share)) for share in (0, top / 2, top))
    )
    ticks = "".join(
        f'<text class="tick" x="{plot.x(value):.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">'
        f"{escape(label)}</text>"
        for value, label, anchor in _ticks(edges[0], edges[-1])
    )
    body = (
        f'{grid}<path class="ref-area" d="{plot.area(edges, histogram.reference)}"/>'
        f'<path class="ref-line" d="{plot.line(edges, histogram.reference)}"/>'
        f'<path class="cur-area" d="{plot.area(edges, histogram.current)}"/>'
        f'<path class="cur-line" d="{plot.line(edges, histogram.current)}"/>{ticks}'
    )
    return _svg(HEIGHT, body, (title, description), key)


class _Plot:
    """Where values and shares lie."""

    def __init__(self, low: float, high: float, top: float) -> None:
        self._low, self._top = low, top
        self._per = (WIDTH - _LEFT - _RIGHT) / (high - low)

    def x(self, value: float) -> float:
        return _LEFT + (value - self._low) * self._per

    def y(self, share: float) -> float:
        return HEIGHT - _BOTTOM - share / self._top * (HEIGHT - _TOP - _BOTTOM)

    def line(self, edges: Sequence[float], shares: Sequence[float]) -> str:
        steps = "".join(
            f"H{self.x(right):.1f}V{self.y(after):.1f}"
            for right, after in zip(edges[1:-1], shares[1:], strict=True)
        )
        return f"M{_LEFT},{self.y(shares[0]):.1f}{steps}H{self.x(edges[-1]):.1f}"

    def area(self, edges: Sequence[float], shares: Sequence[float]) -> str:
        line = self.line(edges, shares).removeprefix(f"M{_LEFT},")
        bottom = f"{self.y(0):.1f}"
        return f"M{_LEFT},{bottom}V{line}V{bottom}Z"


def _ticks(low: float, high: float) -> list[tuple[float, str, str]]:
    """Return round values within a range, with their text; its ends if none is round."""
    step = 10 ** math.floor(math.log10((high - low) / _TICKS)) if high > low else 0
    for factor in (1, 2, 5, 10):
        if step and (high - low) / (step * factor) <= _TICKS:
            step *= factor
            break
    first = math.ceil(low / step) if step else 0
    values = [(first + i) * step for i in range(_TICKS + 1) if (first + i) * step <= high]
    if len(set(values)) < 2 or len({number(v) for v in values}) < len(values):  # noqa: PLR2004
        return [(low, repr(low), "start"), (high, repr(high), "end")]
    return [(value, number(value), _anchor((value - low) / (high - low))) for value in values]


def _anchor(place: float) -> str:
    """Keep a tick's text within the picture."""
    return "start" if place < _NEAR else "end" if place > 1 - _NEAR else "middle"


def paired(bins: Sequence[Bin], title: str, description: str, key: str) -> str:
    """Draw both shares of each category under each other."""
    top = max(max(b.reference, b.current) for b in bins)
    height = len(bins) * _GAP + 6
    room = WIDTH - _LABEL - 62
    rows = []
    for i, each in enumerate(bins):
        y = 4 + i * _GAP
        rows.append(
            f'<text class="label" x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">'
            f"{escape(_short(each.label))}</text>"
        )
        for css, share, down in (("ref", each.reference, 0), ("cur", each.current, _BAR + 1)):
            width = max(1.0, share / top * room) if share else 0.0
            rows.append(
                f'<rect class="{css}-bar" x="{_LABEL}" y="{y + down}" width="{width:.1f}" '
                f'height="{_BAR}"/><text class="tick" x="{_LABEL + width + 5:.1f}" '
                f'y="{y + down + 8}">{percent(share)}</text>'
            )
    return _svg(height, "".join(rows), (title, description), key)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def spark(reference: Sequence[float], current: Sequence[float]) -> str:
    """Draw a small overlay for a table; what it shows is said elsewhere, so it has no name."""
    top = max(*reference, *current, 1e-9)
    shapes = []
    for name, shares in (("ref-area", reference), ("cur-line", current)):
        width = 96 / len(shares)
        heights = [f"{27 - 25 * share / top:.1f}" for share in shares]
        steps = "".join(f"V{h}H{(i + 1) * width:.1f}" for i, h in enumerate(heights))
        start = "M0,27" if name == "ref-area" else f"M0,{heights[0]}"
        shapes.append(
            f'<path class="{name}" d="{start}{steps}{"V27Z" if "area" in name else ""}"/>'
        )
    return f'<svg class="spark" viewBox="0 0 96 28" aria-hidden="true">{"".join(shapes)}</svg>'


def _svg(height: int, body: str, said: tuple[str, str], key: str) -> str:
    title, description = map(escape, said)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t{key} d{key}">'
        f'<title id="t{key}">{title}</title><desc id="d{key}">{description}</desc>{body}</svg>'
    )
