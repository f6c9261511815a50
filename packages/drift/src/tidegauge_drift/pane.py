"""The counts of a few seconds: what processes share, and all that windows are made of."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# magic, model, layout, pane index, pane length, smallest stride, largest stride, rows, cells
_HEADER = struct.Struct("<8s8s8sqIIIQI")
_MAGIC = b"tgpane01"
_SUM_BYTES = 8


class PaneError(ValueError):
    """Bytes that are no whole pane, or panes that do not belong together."""


def model_digest(name: str, version: str) -> bytes:
    """Return the 8 bytes that stand for a model in a pane's key."""
    return hashlib.blake2b(f"{len(name)}:{name}{version}".encode(), digest_size=8).digest()


@dataclass(slots=True, eq=False)
class Pane:
    """Counts of one model's rows against one reference in ``[index, index + 1) * length_s``.

    ``stride_min`` and ``stride_max`` are the thinning of its rows: one row in so many was kept.
    """

    model: bytes
    layout: bytes
    index: int
    length_s: int
    counts: NDArray[np.uint32] = field(repr=False)
    rows: int = 0
    stride_min: int = 0
    stride_max: int = 0

    @property
    def start_s(self) -> int:
        """Unix seconds of its beginning."""
        return self.index * self.length_s

    def saw_stride(self, smallest: int, largest: int) -> None:
        """Widen the range of strides."""
        self.stride_min = min(smallest, self.stride_min or smallest)
        self.stride_max = max(largest, self.stride_max)

    def key(self) -> tuple[bytes, bytes, int, int, int]:
        """Return what must be equal for two panes to be merged."""
        return self.model, self.layout, self.index, self.length_s, self.counts.size

    def merge(self, other: Pane) -> Pane:
        """Return the pane of both panes' rows; associative and commutative.

        Raises
        ------
        PaneError
            They are of another model, reference, time or layout.
        """
        if self.key() != other.key():
            raise PaneError(
                "pane: got one of another model, reference or time from the argument; expected "
                "equal keys. Merge panes of one key only."
            )
        merged = Pane(
            *self.key()[:4], counts=self.counts + other.counts, rows=self.rows + other.rows
        )
        for pane in (self, other):
            if pane.rows:
                merged.saw_stride(pane.stride_min, pane.stride_max)
        return merged

    def to_bytes(self) -> bytes:
        """Return the pane in its one form: header, counts (uint32, little endian), checksum."""
        header = _HEADER.pack(
            _MAGIC, self.model, self.layout, self.index, self.length_s,
            self.stride_min, self.stride_max, self.rows, self.counts.size,
        )  # fmt: skip
        body = header + self.counts.astype("<u4").tobytes()
        return body + _sum(body)

    @classmethod
    def from_bytes(cls, content: bytes, layout: bytes | None = None) -> Pane:
        """Read a pane, of the layout given if one is given.

        Raises
        ------
        PaneError
            The bytes are torn or changed, of another format, or of another layout.
        """
        body, found = content[:-_SUM_BYTES], content[-_SUM_BYTES:]
        if len(body) < _HEADER.size or not body.startswith(_MAGIC) or _sum(body) != found:
            raise PaneError(
                "pane: got bytes that are torn or of another format from the record; expected a "
                "whole pane. Leave the record out."
            )
        _, model, digest, index, length_s, low, high, rows, cells = _HEADER.unpack_from(body)
        if layout not in (None, digest) or len(body) != _HEADER.size + 4 * cells:
            raise PaneError(
                "pane: got counts of another layout from the record; expected those of the "
                "reference in use. Leave the record out."
            )
        counts = np.frombuffer(body, "<u4", offset=_HEADER.size).astype(np.uint32)
        return cls(model, digest, index, length_s, counts, rows, low, high)


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM_BYTES).digest()
