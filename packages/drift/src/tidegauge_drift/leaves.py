"""The histogram that a profile keeps of a numeric column, so that profiles can be merged.

Its leaves are ranges of floats that begin with the same bits: two leaves are disjoint, or one
holds the other. So histograms of any rows can be added without moving a row.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidegauge_drift.sketch import BITS, Counts, Keys, from_keys, to_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.sketch import Sketch

# A leaf of several values holds at most this share of the rows: a quarter of a cell's.
SHARE = 1 / 256
# A rare value is told from its neighbours by so many bits more than are needed.
_BLURRED = 6
_MORE = 0x80
# Beyond infinity there are the keys of NaN.
_LOWEST, _HIGHEST = to_keys(np.array((-np.inf, np.inf)))
# No value has this key: -0.0 is 0.0.
_MINUS_ZERO = to_keys(np.zeros(1))[0] - np.uint64(1)


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """``counts`` of the ranges that begin at ``heads`` and agree with them in ``depths`` bits."""

    heads: Keys
    depths: NDArray[np.uint8]
    counts: Counts

    @classmethod
    def of(cls, sketch: Sketch) -> Leaves:
        """Return ranges that hold no more than their share, or one value; each as narrow as it can.

        Wide ranges would take the sight from those of another histogram that lie in them. Only a
        rare value is blurred, to 1/64 of the way to its neighbour: it is nobody's business.
        """
        runs = sketch.runs
        low, high, ends = runs.low.tolist(), runs.high.tolist(), np.cumsum(runs.count).tolist()
        limit = max(1.0, SHARE * sketch.size)
        found: list[tuple[int, int, int]] = []
        waiting = [(0, len(low))]  # ranges of runs, the next one last
        while waiting:
            first, last = waiting.pop()
            count = ends[last - 1] - (ends[first - 1] if first else 0)
            differ = (low[first] ^ high[last - 1]).bit_length()
            if count <= limit and differ == 0:  # a rare value
                near = [*high[max(0, first - 1) : first], *low[last : last + 1]]
                apart = min((low[first] ^ key).bit_length() for key in near) if near else 1
                differ = max(0, apart - 1 - _BLURRED)
            if count <= limit or last - first == 1:
                found.append((low[first] >> differ << differ, BITS - differ, count))
                continue
            middle = high[last - 1] >> (differ - 1) << (differ - 1)
            cut = bisect_left(low, middle, first, last)
            waiting += [(cut, last), (first, cut)]
        return cls._of(found)

    @classmethod
    def _of(cls, leaves: Sequence[tuple[int, int, int]]) -> Leaves:
        heads, depths, counts = zip(*leaves, strict=True)
        return cls(
            np.array(heads, np.uint64), np.array(depths, np.uint8), np.array(counts, np.int64)
        )

    def starts(self) -> Floats:
        """Return the smallest float of each leaf."""
        return from_keys(np.maximum(self.heads, _LOWEST))

    def ends(self) -> Floats:
        """Return the largest float of each leaf."""
        rest = [(1 << (BITS - depth)) - 1 for depth in self.depths.tolist()]
        last = np.minimum(self.heads | np.array(rest, np.uint64), _HIGHEST)
        return from_keys(last - (last == _MINUS_ZERO))

    def __add__(self, other: Leaves) -> Leaves:
        """Return the sum: of two leaves of which one holds the other, the larger one."""
        heads = np.concatenate((self.heads, other.heads))
        depths = np.concatenate((self.depths, other.depths))
        counts = np.concatenate((self.counts, other.counts))
        order = np.lexsort((depths, heads))
        kept: list[tuple[int, int, int]] = []
        beyond = -1
        for i in order.tolist():
            if int(heads[i]) <= beyond:
                kept[-1] = (*kept[-1][:2], kept[-1][2] + int(counts[i]))
            else:
                kept.append((int(heads[i]), int(depths[i]), int(counts[i])))
                beyond = int(heads[i]) + (1 << (BITS - int(depths[i]))) - 1
        return self._of(kept)

    def pack(self) -> str:
        """Return the leaves as text: about six characters each."""
        numbers: list[int] = []
        end = 0
        for start, depth, count in zip(
            self.heads.tolist(), self.depths.tolist(), self.counts.tolist(), strict=True
        ):
            width = 1 << (BITS - depth)
            numbers += (depth, (start - end // width * width) // width, count)
            end = start + width
        return pack_numbers(numbers)

    @classmethod
    def unpack(cls, text: str) -> Leaves:
        """Read leaves.

        Raises
        ------
        ValueError
            The text is no histogram.
        """
        numbers = unpack_numbers(text)
        leaves: list[tuple[int, int, int]] = []
        end = 0
        for depth, step, count in zip(*(iter(numbers),) * 3, strict=True):
            if not 0 < depth <= BITS:
                raise ValueError("histogram")
            width = 1 << (BITS - depth)
            start = end // width * width + step * width
            end = start + width
            leaves.append((start, depth, count))
        if not leaves or end > 1 << BITS or min(leaf[2] for leaf in leaves) < 1:
            raise ValueError("histogram")
        return cls._of(leaves)


def pack_numbers(numbers: Iterable[int]) -> str:
    """Return whole numbers as text: 7 bits of each a byte, the lowest first, five letters four."""
    found = bytearray()
    for number in numbers:
        rest = number
        while rest >= _MORE:
            found.append(rest & (_MORE - 1) | _MORE)
            rest >>= 7
        found.append(rest)
    return base64.b85encode(bytes(found)).decode("ascii")


def unpack_numbers(text: str) -> list[int]:
    """Return the whole numbers in a text.

    Raises
    ------
    ValueError
        The text holds no such numbers.
    """
    found: list[int] = []
    number = shift = 0
    for byte in base64.b85decode(text):
        number |= (byte & (_MORE - 1)) << shift
        shift += 7
        if byte < _MORE:
            found.append(number)
            number = shift = 0
    if shift:
        raise ValueError("numbers")
    return found
