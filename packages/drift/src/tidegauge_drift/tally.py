"""All categories of a column in bounded memory, whatever the order and the chunks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import hash64, is_missing, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tidegauge_drift.sketch import Counts, Keys

# So many distinct categories are counted one by one: beyond, by the head of their hash.
DISTINCT = 131_072
_BUCKET_BITS = 16
# The categories in so many of the fullest buckets are then counted one by one.
_CLOSER = 2_048
# Values whose text and hash are remembered.
_REMEMBERED = 65_536


class Tally:
    """A column's categories; ``add`` all of them once a round, until ``done``.

    Up to 131,072 distinct ones all numbers are exact. Above, the most frequent ones are counted in
    a second round, and ``distinct`` and ``singletons`` are estimated from the categories whose
    hashes are smallest: the same ones in any order of the rows.
    """

    def __init__(self) -> None:
        self.missing = 0
        self.present = 0
        self._codes: Keys = np.empty(0, np.uint64)
        self._counts: Counts = np.empty(0, np.int64)
        self._buckets: Counts | None = None
        self._below = 64  # hashes below 2 ** this are in the sample
        self._closer: NDArray[np.bool_] | None = None
        self._frequent: tuple[Keys, Counts] = (self._codes, self._counts)
        self._texts: dict[Any, int] = {}

    def add(self, values: Iterable[Any]) -> None:
        """Count values, in any order.

        Raises
        ------
        TypeError
            A value cannot be a category, such as a list.
        """
        found = Counter(values)
        absent = [value for value in found if is_missing(value)]
        missing = sum(found.pop(value) for value in absent)
        codes = np.fromiter(map(self._code, found), np.uint64, len(found))
        counts = np.fromiter(found.values(), np.int64, len(found))
        if self._closer is not None:
            near = self._closer[_bucket(codes)]
            self._frequent = _sum(*self._frequent, codes[near], counts[near])
            return
        self.missing += missing
        self.present += int(counts.sum())
        if self._buckets is not None:
            np.add.at(self._buckets, _bucket(codes), counts)
            codes, counts = self._sampled(codes, counts)
        self._codes, self._counts = _sum(self._codes, self._counts, codes, counts)
        while self._codes.size > DISTINCT:
            if self._buckets is None:
                self._buckets = np.zeros(1 << _BUCKET_BITS, np.int64)
                np.add.at(self._buckets, _bucket(self._codes), self._counts)
            self._below -= 1
            self._codes, self._counts = self._sampled(self._codes, self._counts)

    def _code(self, value: Any) -> int:
        code = self._texts.get(value)
        if code is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            code = self._texts[value] = hash64(text(value))
        return code

    def _sampled(self, codes: Keys, counts: Counts) -> tuple[Keys, Counts]:
        kept = codes < np.uint64(1 << self._below)
        return codes[kept], counts[kept]

    def done(self) -> bool:
        """End a round; tell whether all is known, or all values are needed once more."""
        self._texts.clear()
        if self._buckets is None or self._closer is not None:
            return True
        order = np.argsort(-self._buckets, kind="stable")
        self._closer = np.zeros(self._buckets.size, np.bool_)
        self._closer[order[:_CLOSER]] = True
        return False

    @property
    def distinct(self) -> int:
        """Distinct categories; within 1 % where they are more than 131,072."""
        return self._codes.size << (64 - self._below)

    @property
    def singletons(self) -> int:
        """Categories that were seen once."""
        return int((self._counts == 1).sum()) << (64 - self._below)

    def ordered(self) -> tuple[Keys, Counts]:
        """Return hashes and counts by falling count, then by hash; the frequent ones if many."""
        codes, counts = self._frequent if self._buckets is not None else (self._codes, self._counts)
        order = np.lexsort((codes, -counts))
        return codes[order], counts[order]


def _bucket(codes: Keys) -> NDArray[np.intp]:
    return (codes & np.uint64((1 << _BUCKET_BITS) - 1)).astype(np.intp)


def _sum(codes: Keys, counts: Counts, more: Keys, by: Counts) -> tuple[Keys, Counts]:
    """Return the sorted distinct codes of both, and their counts."""
    joined, place = np.unique(np.concatenate((codes, more)), return_inverse=True)
    total = np.zeros(joined.size, np.int64)
    np.add.at(total, place.ravel(), np.concatenate((counts, by)))
    return joined, total
