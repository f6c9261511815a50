"""What has changed lately: counts that grow, as of now and as of a while ago."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# Over less than this a rate says more of the clock than of what is counted.
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Change(Generic[K]):
    """By how much counts have grown in ``elapsed_s``; never negative."""

    elapsed_s: float
    grown: Mapping[K, float]


class Window(Generic[K]):
    """Counts as they stood within the last ``span_s``, and the last ones before that.

    Readings may be close together or far apart: several readers ask at times of their own.
    """

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._stood: deque[tuple[float, Mapping[K, float]]] = deque()

    def change(self, now_s: float, counts: Mapping[K, float], start_s: float) -> Change[K] | None:
        """Take in counts, and return how they have grown; None while that cannot be said.

        Parameters
        ----------
        now_s, start_s
            When the counts stand as they do, and when they were 0, by a clock that never jumps. A
            start of long ago says nothing of now, so it is no beginning of a change.
        """
        stood = self._stood
        if not stood and now_s - start_s <= self._span_s:
            stood.append((start_s, {}))
        while len(stood) > 1 and now_s - stood[1][0] >= self._span_s:
            stood.popleft()
        if not stood or now_s - stood[-1][0] >= _SHORTEST_S:
            stood.append((now_s, dict(counts)))
        began_s, before = stood[0]
        elapsed_s = now_s - began_s
        if elapsed_s < _SHORTEST_S:
            return None
        grown = {key: max(0.0, count - before.get(key, 0.0)) for key, count in counts.items()}
        return Change(elapsed_s, grown)
