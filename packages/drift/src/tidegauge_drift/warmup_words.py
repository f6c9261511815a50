"""A warm-up in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift.rivals import LIVE
from tidegauge_drift.warmup_spec import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator


def headline(warmup: dict[str, Any]) -> str:
    """Say how far a warm-up is."""
    return (
        f"warming up, {int(warmup['rows'])} of {int(warmup['rows_wanted'])} rows, "
        f"{float(warmup['hours']):.3g} of {float(warmup['hours_wanted']):.3g} hours"
    )


def lines(warmup: dict[str, Any], done: str, role: str) -> Iterator[str]:
    """Yield what there is to say beside; ``done`` is when it will be learnt, empty if unknown."""
    yield "  reference  none yet: learnt from live rows; nothing is judged until then"
    kept, parts = int(warmup["rows_kept"]), int(warmup["processes"])
    yield f"  kept       {kept} rows in blocks, of {parts} process{'es' if parts != 1 else ''}"
    if done:
        yield f"  done       about {done} UTC, if rows go on to come as they did"
    else:
        yield "  done       unknown before the first rows"
    yield from _limits("season", role)


def _limits(head: str, role: str) -> Iterator[str]:
    yield f"  {head:<10} none is learnt: hours that differ need a reference that is built"
    if role != LIVE:
        yield f"  live       this {role} is not compared with the live version: each learns"
        yield "             cells of its own. Build one reference for both"


def learnt(source: str, role: str) -> Iterator[str]:
    """Yield what a reference that was learnt does not know; nothing for one that was built."""
    if source.startswith(SOURCE):
        yield from _limits("", role)
