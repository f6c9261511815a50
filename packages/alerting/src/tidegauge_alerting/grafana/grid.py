"""Where panels stand: rows under headings, left to right, on Grafana's 24 columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegauge_alerting.panels import Dashboard, Kind, Panel, Row

COLUMNS = 24
# In Grafana's units of 30 pixels: a number, a picture, a table.
_HEIGHTS = {Kind.STAT: 4, Kind.TIMESERIES: 8, Kind.TABLE: 10}


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the grid."""

    x: int
    y: int
    w: int
    h: int


def uid(name: str) -> str:
    """Return the identity of a dashboard in Grafana."""
    return f"tidegauge-{name.replace('_', '-')}"


def place(dashboard: Dashboard) -> Iterator[tuple[Row | Panel, Box]]:
    """Yield each heading and panel with its place, from top to bottom.

    The first has number 1 on its dashboard, the next number 2.
    """
    y = 0
    for row in dashboard.rows:
        yield row, Box(0, y, COLUMNS, 1)
        y += 1
        x = height = 0
        for panel in row.panels:
            box = Box(0, 0, round(COLUMNS * panel.width.share), _HEIGHTS[panel.kind])
            if x + box.w > COLUMNS:
                x, y, height = 0, y + height, 0
            yield panel, Box(x, y, box.w, box.h)
            x, height = x + box.w, max(height, box.h)
        y += height
