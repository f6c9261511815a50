"""A window's segments in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MARGIN = " " * 13
_SHOWN = 5


def lines(segments: dict[str, Any] | None, text: Callable[[object], str]) -> Iterator[str]:
    """Yield what differs among the rows of which segment; ``text`` makes values harmless."""
    if segments is None:
        return
    column, found = text(segments["column"]), segments["differing"]
    judged = len(segments["values"]) - len(segments["undecided"])
    on = sum(each["detected"] for each in found)
    alarm = f"{on} ALARM" if on else "no alarm"
    yield f"{_MARGIN}by {column}: {judged} of {len(segments['values'])} segments judged, {alarm}"
    for each in found[:_SHOWN]:
        numbers = [
            f"{name} {each[key]:.3g}"
            for name, key in (("KS", "ks"), ("PSI", "psi"))
            if each[key] is not None
        ]
        state = "alarm" if each["detected"] else "suspected"
        told = ", ".join([state, *numbers, f"{each['rows']} rows"])
        yield f"{_MARGIN}  {text(each['feature'])} where {column} = {text(each['segment'])}: {told}"
    more = len(found) - _SHOWN + segments["left_out"]
    if more > 0:
        yield f"{_MARGIN}  {more} more: --json has those that the status lists"
