"""What processes have told backends alone, before they could join their group.

It is theirs: under another instance, or to a delta reader, it would be told twice. So each process
that joins says, with its counts, what its readers that push were told before, and whoever leads
leaves it out of what it exports. Who is asked answers with all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegauge_semconv import Merge

from tidegauge import codec
from tidegauge.points import HistogramPoint, Point, SumPoint
from tidegauge.totals import Totals, comparable, difference, identity, merge, zero

_ALL = (SumPoint, HistogramPoint)


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader was told alone, and under which instance where that may become the group's."""

    reader: str
    instance: str
    totals: Totals


def to_header(told: Iterable[Told]) -> list[list[str]]:
    """Return it as it stands in a record."""
    return [[each.reader, each.instance, codec.encode(each.totals).decode()] for each in told]


def from_header(header: Mapping[str, Any], reader: str | None = None) -> list[Told]:
    """Return what stands in a record, of all readers or of one.

    Raises
    ------
    UnreadableError
        Another release wrote it.
    """
    try:
        return [
            Told(name, instance, codec.decode(written.encode())[0])
            for name, instance, written in header.get("told", ())
            if reader in (None, name)
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise codec.UnreadableError(f"told of another release: {type(error).__name__}") from error


def add_up(told: Iterable[Told]) -> list[Told]:
    """Add up what processes that have ended were told."""
    found: dict[tuple[str, str], list[Totals]] = defaultdict(list)
    for each in told:
        found[each.reader, each.instance].append(each.totals)
    return [Told(*key, merge(parts)) for key, parts in found.items()]


def untold(
    now: Totals, told: Sequence[Told], instance: str, deltas: tuple[type[Point], ...]
) -> Totals:
    """Return what a group counts without what was told before.

    What was told under the group's ``instance`` is the beginning of its own series: only deltas
    leave it out.
    """
    for here, kinds in ((True, deltas), (False, _ALL)):
        parts = [each.totals for each in told if (each.instance == instance) is here]
        before = comparable(merge(parts), now) if parts and kinds else {}
        now = replace(
            now,
            points=tuple(
                difference(point, before[identity(point)])
                if isinstance(point, kinds) and identity(point) in before
                else point
                for point in now.points
            ),
        )
    return now


def begin_with(alone: Totals) -> Totals:
    """Return what a reader that was told this alone was told of its group: none of its counts."""
    return replace(
        alone,
        points=tuple(
            zero(point, point.start_s) if point.spec.merge is Merge.SUM else point
            for point in alone.points
        ),
    )
