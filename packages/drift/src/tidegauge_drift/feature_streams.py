"""Streaming detectors on features and outputs, where somebody asks for them.

Only the leader has all rows of a launch, and it has counts of panes, not values. So a row's value
here is its place in the reference: the share of the reference's rows below its cell, and half of
those in it. That is in [0, 1], uniform while nothing has changed, and no outlier weighs more than
another row. Of each pane a sample is shown, the same whichever process counted what, in an order
that depends on the pane alone: the detectors see panes in time, and rows of a pane in no order.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from tidegauge import guard
from tidegauge.batch import GaugePoint
from tidegauge_semconv import metrics as m

from tidegauge_drift.packing import PackingError, pack, unpack
from tidegauge_drift.season import expected
from tidegauge_drift.streams import Stream
from tidegauge_drift.times import HOUR_OF_WEEK
from tidegauge_drift.times import slot as slot_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tidegauge.batch import ModelKey

    from tidegauge_drift.block import Slot
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.pane import Pane

#: Of each model; further ones are left out with a warning.
MAXIMUM_STREAMS = 50
# Rows of a pane that a detector sees. ADWIN has one false alarm in seven million clean rows, which
# is about a month of 10 s panes then.
_PANE_ROWS = 32
# A successor shows its detectors so many of the last rows.
_KEPT = 2048
_STEPS = 255
# Before a detector has seen so many there is no telling.
_FEWEST = 30

_MAGIC = b"tgstrm01"


@dataclass(slots=True, eq=False)
class _Watched:
    """One detector on one feature; ``scores`` are its cells' places in the reference.

    ``last`` are the places of the last rows, in 255ths.
    """

    place: int
    slot: Slot
    scores: Floats
    stream: Stream
    last: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))


class FeatureStreams:
    """Shows panes to the detectors of one model; see ``Totals``.

    Parameters
    ----------
    model : ModelKey
        Whose rows these are.
    layout : Layout
        The reference to begin with.
    chosen : sequence of (detector, glob)
        Which detectors, on which features and outputs.
    """

    def __init__(self, model: ModelKey, layout: Layout, chosen: Sequence[tuple[str, str]]) -> None:
        self._model = model
        self._chosen = tuple(chosen)
        self._begin(layout)

    def _begin(self, layout: Layout) -> None:
        self._digest = layout.digest
        self._head = (self._model.name, self._model.version, layout.reference)
        self._next: int | None = None
        self._at_s = 0.0
        self._hour: int | None = None
        self._watched: list[_Watched] = []
        for i, slot in enumerate(layout.slots):
            for detector in dict.fromkeys(d for d, g in self._chosen if fnmatchcase(slot.name, g)):
                if len(self._watched) >= MAXIMUM_STREAMS:
                    guard.once(
                        "drift.streams",
                        "TIDEGAUGE_DRIFT_STREAMS: got more than %s streams of a model; expected no "
                        "more. Those of the first features are watched; choose narrower globs.",
                        MAXIMUM_STREAMS,
                        level=logging.WARNING,
                    )
                    break
                scores, scale = _scores(layout.counts[slot.start : slot.stop])
                stream = Stream(detector, centre=0.5, scale=scale)
                self._watched.append(_Watched(i, slot, scores, stream))
        self._points: tuple[GaugePoint, ...] = ()

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Show a closed pane of this reference to the detectors."""
        if layout.digest != self._digest:
            self._begin(layout)
        if self._next is not None and pane.index < self._next:
            for watched in self._watched:  # the clock was set back
                watched.stream.restart()
        self._next = pane.index + 1
        at_s = self._at_s = float(pane.start_s + pane.length_s)
        self._turn(layout, pane.start_s)
        for watched in self._watched:
            slot, stream = watched.slot, watched.stream
            rows = _rows(pane.counts[slot.start : slot.stop - 2], pane.index, watched.place)
            places = watched.scores[rows]
            if stream.add(places, at_s) or stream.rests(at_s):
                watched.last = watched.last[:0]
            else:
                shown = np.rint(_STEPS * places).astype(np.uint8)
                watched.last = np.concatenate((watched.last, shown))[-_KEPT:]
        self._points = tuple(self._shown())

    def _turn(self, layout: Layout, start_s: int) -> None:
        """Take the places in what the reference has of this hour, where it has a season."""
        hour = slot_of(start_s, HOUR_OF_WEEK) if layout.season else None
        if hour == self._hour:
            return
        self._hour = hour
        for watched in self._watched:
            found = expected(layout, watched.place, {str(hour): 1})
            if found is not None:
                watched.scores, _ = _scores(found[1])

    def _shown(self) -> Iterator[GaugePoint]:
        at_s = self._at_s
        for watched in self._watched:
            stream = watched.stream
            if stream.rests(at_s) or stream.seen >= _FEWEST:
                attributes = (*self._head, watched.slot.name, stream.detector)
                value = float(stream.rests(at_s))
                yield GaugePoint(m.DRIFT_STREAM_DETECTED, attributes, value)

    def points(self) -> Iterator[GaugePoint]:
        """Yield what stood after the last pane; changes nothing."""
        yield from self._points

    def to_bytes(self) -> bytes:
        """Return the alarms and the last rows of each stream."""
        header = {
            "layout": self._digest,
            "next": self._next,
            "at_s": self._at_s,
            "streams": [
                [watched.slot.name, watched.stream.detector, watched.stream.alarmed_s]
                for watched in self._watched
            ],
        }
        return pack(_MAGIC, header, [watched.last for watched in self._watched])

    def restore(self, content: bytes) -> None:
        """Go on from what a predecessor returned; ValueError where it is nothing of the kind.

        The detectors are shown the last rows again: what they knew of the time before is lost.
        """
        try:
            header, arrays = unpack(_MAGIC, content)
            known = {
                (str(name), str(detector)): (alarmed_s, array)
                for (name, detector, alarmed_s), array in zip(
                    header["streams"], arrays, strict=True
                )
            }
            same = header["layout"] == self._digest
            following, at_s = header["next"], float(header["at_s"])
        except (PackingError, KeyError, TypeError) as error:
            raise ValueError("streams") from error
        if not same:
            return
        self._next, self._at_s = following, at_s
        for watched in self._watched:
            alarmed_s, last = known.get((watched.slot.name, watched.stream.detector), (None, None))
            if last is not None:
                watched.stream.add(last / _STEPS, at_s)
                watched.last = last.astype(np.uint8)
            watched.stream.alarmed_s = alarmed_s
        self._points = tuple(self._shown())


def _scores(reference: NDArray[Any]) -> tuple[Floats, float]:
    """Return the place of each cell in the reference, and the sd of its rows' places."""
    counts = reference[:-2].astype(np.float64)
    rows = max(counts.sum(), 1.0)
    scores = (np.cumsum(counts) - counts / 2) / rows
    variance = float(((scores - 0.5) ** 2 * counts).sum() / rows)
    return scores, max(variance, 1e-12) ** 0.5


def _rows(counts: NDArray[np.integer[Any]], index: int, place: int) -> NDArray[np.uint8]:
    """Return the cells of a sample of rows, in an order that depends on the pane alone."""
    ends = np.cumsum(counts, dtype=np.int64)
    rows = int(ends[-1]) if ends.size else 0
    if not rows:
        return np.empty(0, np.uint8)
    # The generator whose numbers stay the same from one version of numpy to the next.
    random = np.random.RandomState((index * 1_000_003 + place) % 2**32)
    shown = min(rows, _PANE_ROWS)
    places = (
        (np.arange(shown) + random.uniform()) * rows / shown if rows > shown else np.arange(rows)
    )
    found: NDArray[np.uint8] = np.searchsorted(ends, np.floor(places), "right").astype(np.uint8)
    return random.permutation(found)
