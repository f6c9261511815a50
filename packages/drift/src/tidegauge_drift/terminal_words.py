"""What is said on a terminal: texts of files that it shows and does not obey, times, shares."""

from __future__ import annotations

from datetime import UTC, datetime

WIDTH = 80
# Shares below it have more decimals than one.
_SMALL = 0.0005
#: Why a feature was not judged.
REASONS = {
    "rows": "too few rows",
    "missing": "not among the live columns",
    "sampling": "thinned too unevenly",
    "dependent": "too few rows that are independent",
    "season": "the reference has no rows of these hours",
    "week": "no week before: too few rows at these hours",
    "live": "too few rows of the live version",
    "traffic": "its inputs differ from the live version's",
    "fault": "a fault, see the service's log",
}


def text(value: object) -> str:
    """Return something from a file as text that a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def percent(share: float | None) -> str:
    """Return a share in percent, ? for None."""
    if share is None:
        return "?"
    return f"{100 * share:.1f} %" if share == 0 or share >= _SMALL else f"{100 * share:.1g} %"


def cut(line: str) -> str:
    """Return what of a line fits on a terminal."""
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def moment(at_s: float, now_s: float) -> str:
    """Return a time of day in UTC, with its day where that is not today."""
    at, now = (datetime.fromtimestamp(each, UTC) for each in (at_s, now_s))
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def duration(length_s: float) -> str:
    """Return a length of time in its largest unit."""
    for name, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if length_s >= 2 * unit_s:
            return f"{length_s / unit_s:.0f} {name}"
    return f"{max(0.0, length_s):.0f} s"
