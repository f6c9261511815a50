"""What people have said of a model for a while: mutes, deploys and backfills."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegauge.batch import ModelKey

FILE = "mutes.json"
FORMAT = 1
#: Nobody hears of a model's drift, or of some of it.
MUTE = "mute"
#: Rows of the past go through the model: its drift is muted while a window has some of them.
BACKFILL = "backfill"
#: Another version goes live: dashboards show it; it mutes nothing.
DEPLOY = "deploy"
KINDS = (MUTE, DEPLOY, BACKFILL)

# What one file holds at most: of more than a thousand models somebody has lost count.
MAXIMUM = 1_000
MAXIMUM_BYTES = 1_000_000
LONGEST_REASON = 500
# A backfill that is over counts as long as a window may have rows of it: two of 30 days.
KEPT_S = 60 * 86_400
# The last time that has a name.
_LATEST_S = 253_402_300_000


class MarksError(ValueError):
    """A file that holds no marks; the message says what it holds."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One of them; an empty ``version``, ``feature`` or ``window`` stands for all."""

    kind: str
    model: str
    since_s: float
    until_s: float
    version: str = ""
    feature: str = ""
    window: str = ""
    reason: str = ""
    by: str = ""

    @property
    def subject(self) -> tuple[str, ...]:
        """What it is about: of two about the same the newer one stands."""
        return (self.kind, self.model, self.version, self.feature, self.window)

    def concerns(self, model: ModelKey) -> bool:
        """Tell whether it is about this model; a deploy is about all versions before it too."""
        only = "" if self.kind == DEPLOY else self.version
        return self.model == model.name and only in ("", model.version)

    def is_over(self, now_s: float) -> bool:
        """Tell whether its time has come."""
        return now_s >= self.until_s


def parse(content: bytes) -> tuple[Mark, ...]:
    """Return the marks in a file's content.

    Raises
    ------
    MarksError
        It is not what ``dump`` writes.
    """
    if len(content) > MAXIMUM_BYTES:
        raise MarksError("got a file too large for marks")
    try:
        found = json.loads(content)
        version, marks = found["format"], found["marks"]
        if version == FORMAT and len(marks) <= MAXIMUM:
            return tuple(_mark(each) for each in marks)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise MarksError("got no complete list of marks") from error
    if version != FORMAT:
        raise MarksError("got marks of another version of tidegauge-drift")
    raise MarksError(f"got {len(marks)} marks")


def _mark(found: dict[str, Any]) -> Mark:
    mark = Mark(**found)
    times = (mark.since_s, mark.until_s)
    texts = [getattr(mark, each.name) for each in fields(mark) if not each.name.endswith("_s")]
    if not all(isinstance(text, str) for text in texts) or mark.kind not in KINDS:
        raise ValueError(mark.kind)
    if not all(isinstance(time, int | float) and 0 <= time <= _LATEST_S for time in times):
        raise ValueError(times)
    return mark


def dump(marks: Iterable[Mark]) -> bytes:
    """Return marks as the content of a file, one a line: people read it too."""
    lines = ",\n".join(json.dumps(asdict(mark)) for mark in marks)
    return f'{{"format": {FORMAT}, "marks": [\n{lines}\n]}}\n'.encode()


def with_mark(marks: Iterable[Mark], new: Mark) -> list[Mark]:
    """Return marks with one more in place of one about the same."""
    return [*(mark for mark in marks if mark.subject != new.subject), new]


def without_old(marks: Iterable[Mark], now_s: float) -> list[Mark]:
    """Return the marks that still matter."""
    return [
        mark
        for mark in marks
        if not mark.is_over(now_s - (KEPT_S if mark.kind == BACKFILL else 0.0))
    ]
