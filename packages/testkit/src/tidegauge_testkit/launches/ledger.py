"""Sent against counted, fault by fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEADINGS = ("launcher", "started by", "fault", "sent", "failed", "counted", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did to the totals.

    ``sent`` requests were answered with 200. ``failed`` had no answer because a process was killed
    or replaced: each may have been predicted or not. ``may_lose`` is what the rule for SIGKILL
    allows: the requests that the killed process answered in its last second.
    """

    launcher: str
    started: str
    fault: str
    sent: int
    failed: int
    counted: int
    may_lose: int = 0
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether no request is missing that must be there, and none is counted twice."""
        return self.sent - self.may_lose <= self.counted <= self.sent + self.failed

    @property
    def verdict(self) -> str:
        """The row in words."""
        if not self.right:
            word = "WRONG"
        elif self.counted < self.sent:
            word = f"short by {self.sent - self.counted}, at most {self.may_lose}"
        elif self.counted > self.sent:
            word = "equal, with requests that lost their answer"
        else:
            word = "equal"
        return f"{word}; {self.note}" if self.note else word

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        figures = (str(self.sent), str(self.failed), str(self.counted))
        return (self.launcher, self.started, self.fault, *figures, self.verdict)

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Return the row that ``as_json`` wrote."""
        return cls(**data)


def table(rows: Iterable[Row]) -> str:
    """Return rows as a table in Markdown, aligned so that it can be read as text too."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]]) + "\n"
