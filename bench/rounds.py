"""Interleaved rounds.

Every round runs each case once, in a rotated order, so that the noise of a shared machine falls on
all alike. Figures are medians of thread or process CPU time per call.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

Case = Callable[[], object]


def nothing() -> None:
    """Do nothing between rounds."""


def interleave(
    cases: Mapping[str, Case],
    *,
    calls: int = 500,
    rounds: int = 100,
    between: Callable[[], object] = nothing,
    clock: Callable[[], float] = time.thread_time,
    inside: Callable[[], object] = nothing,
) -> dict[str, float]:
    """Return the median microseconds of one call of each case.

    ``between`` runs untimed before each block of ``calls``; ``inside`` runs timed at its end.
    """
    names = list(cases)
    found: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            case = cases[name]
            between()
            begun = clock()
            for _ in range(calls):
                case()
            inside()
            found[name].append((clock() - begun) / calls * 1e6)
    gc.unfreeze()
    return {name: statistics.median(values) for name, values in found.items()}
