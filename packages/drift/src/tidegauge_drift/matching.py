"""Which live column is which feature of the reference: certain, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ABSENT = -1


@dataclass(frozen=True, slots=True)
class Match:
    """``columns`` holds the live column of each feature, -1 where there is none.

    With a ``reason`` nothing can be compared. ``extra`` are live columns the reference never saw.
    """

    columns: tuple[int, ...]
    reason: str = ""
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def match(
    features: Sequence[tuple[str, int]],
    others: frozenset[str],
    width: int,
    names: tuple[str, ...] | None,
    live_width: int,
) -> Match:
    """Match live columns by name where both sides have names, else by position.

    Parameters
    ----------
    features : sequence of (name, position)
        The reference's features; empty names where it was built from a bare array.
    others : frozenset of str
        Columns that the reference knows and leaves out of drift.
    width : int
        Number of the reference's columns, those left out included.
    names, live_width
        The live columns.
    """
    by_name = names is not None and all(name for name, _ in features)
    if not by_name:
        if live_width != width:
            reason = f"the reference has {width} columns, the model gets {live_width} without names"
            return Match((ABSENT,) * len(features), reason)
        return Match(tuple(position for _, position in features))
    place = {str(name): column for column, name in enumerate(names or ())}
    columns = tuple(place.get(name, ABSENT) for name, _ in features)
    missing = tuple(name for name, _ in features if name not in place)
    known = {name for name, _ in features} | others
    extra = tuple(name for name in place if name not in known)
    if 2 * len(missing) > len(features):
        reason = f"{len(missing)} of the reference's {len(features)} features are missing"
        return Match((ABSENT,) * len(features), reason, missing, extra)
    return Match(columns, "", missing, extra)


def match_outputs(
    outputs: Sequence[tuple[str, int]], names: tuple[str, ...] | None, live_width: int
) -> Match:
    """Match live outputs by name if all are found, else by position if there are as many."""
    place = {str(name): column for column, name in enumerate(names or ())}
    if all(name in place for name, _ in outputs):
        return Match(tuple(place[name] for name, _ in outputs))
    if live_width == len(outputs):
        return Match(tuple(range(live_width)))
    reason = f"the reference has {len(outputs)} outputs, the model gives {live_width}"
    return Match((ABSENT,) * len(outputs), reason)
