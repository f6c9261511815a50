"""A warm-up in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def headline(warmup: dict[str, Any]) -> str:
    """Say how far a warm-up is."""
    return (
        f"warming up, {int(warmup['rows'])} of {int(warmup['rows_wanted'])} rows, "
        f"{float(warmup['hours']):.3g} of {float(warmup['hours_wanted']):.3g} hours"
    )


def lines(warmup: dict[str, Any], done: str) -> Iterator[str]:
    """Yield what there is to say beside; ``done`` is when it will be learnt, empty if unknown."""
    yield "  reference  none yet: learnt from live rows; nothing is judged until then"
    kept, parts = int(warmup["rows_kept"]), int(warmup["processes"])
    yield f"  kept       {kept} rows in blocks, of {parts} process{'es' if parts != 1 else ''}"
    if done:
        yield f"  done       about {done} UTC, if rows go on to come as they did"
    else:
        yield "  done       unknown before the first rows"
