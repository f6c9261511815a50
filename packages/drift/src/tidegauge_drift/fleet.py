"""Rows by bin since the start: what Prometheus adds up over all replicas of a model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.features import chosen
from tidegauge_semconv import metrics as m

from tidegauge_drift.bins import bin_names, reference_in_bins
from tidegauge_drift.packing import PackingError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tidegauge.batch import ModelKey

    from tidegauge_drift.block import Slot
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.pane import Pane

# The last two cells of every feature, which are no bins.
_REST = ("missing", "other")
# A reference that was replaced stays so long after its last pane: every reader has come by.
_KEPT_S = 600

_MAGIC = b"tgfleet1"


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """In which series a layout's cells are counted, and the gauges beside them.

    Cells that are not counted have a place of their own after the last series.
    """

    place: NDArray[np.intp]
    series: tuple[tuple[str, ...], ...]
    gauges: tuple[GaugePoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Counts against one reference; without a plan they were restored and are not looked at yet."""

    start_s: float
    seen_s: float
    counts: NDArray[np.int64] = field(repr=False)
    plan: _Plan | None = None


class FleetCounts:
    """Counts one model's rows by bin of ``drift.psi.value``, over all processes of its launch.

    They are at zero as soon as there is a reference, so that a reader sees each bin before its
    first row. All methods on one thread but ``points``, which may run at any time: what it reads is
    replaced as a whole.

    Parameters
    ----------
    model : ModelKey
        Whose rows these are.
    layout : Layout
        The reference to begin with.
    features : sequence of globs
        The features and outputs that are counted; all if empty.
    """

    def __init__(self, model: ModelKey, layout: Layout, features: Sequence[str] = ()) -> None:
        self._model = model
        self._features = tuple(features)
        self._counted: dict[str, _Counted] = {}
        # From the start of the process on, whenever that was.
        self._watch(layout, 0.0)

    def _watch(self, layout: Layout, start_s: float) -> _Plan:
        """Count against this reference too; of those before it the last one stays for a while."""
        found = self._counted.get(layout.digest)
        if found is not None and found.plan is not None:
            return found.plan
        plan = _plan(self._model, layout, self._features)
        if found is None or found.counts.size != len(plan.series):
            found = _Counted(start_s, start_s, np.zeros(len(plan.series), np.int64))
        others = {key: each for key, each in self._counted.items() if key != layout.digest}
        newest = sorted(others, key=lambda key: others[key].seen_s)[-1:]
        self._counted = {
            **{key: others[key] for key in newest},
            layout.digest: replace(found, plan=plan),
        }
        return plan

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Add a closed pane of this reference."""
        plan = self._watch(layout, float(pane.start_s))
        before = self._counted[layout.digest]
        seen_s = float(pane.start_s + pane.length_s)
        series = before.counts.size
        rows = np.bincount(plan.place, pane.counts, series + 1)[:series]
        after = replace(before, seen_s=seen_s, counts=before.counts + rows.astype(np.int64))
        self._counted = {
            key: each
            for key, each in {**self._counted, layout.digest: after}.items()
            if each.seen_s + _KEPT_S >= seen_s
        }

    def points(self) -> Iterator[CountPoint | GaugePoint]:
        """Yield the counts as they stand, and the reference's shares; changes nothing."""
        for each in self._counted.values():
            if each.plan is None:
                continue
            yield from each.plan.gauges
            for attributes, rows in zip(each.plan.series, each.counts.tolist(), strict=True):
                yield CountPoint(m.MODEL_FEATURE_BIN, attributes, rows, each.start_s)

    def to_bytes(self) -> bytes:
        """Return the counts as another process restores them."""
        header = {
            "references": [
                [digest, each.start_s, each.seen_s] for digest, each in self._counted.items()
            ]
        }
        return pack(_MAGIC, header, [each.counts for each in self._counted.values()])

    def restore(self, content: bytes) -> None:
        """Go on from the counts of the process that led before.

        Raises
        ------
        PackingError
            The bytes are torn or of another format; nothing has changed.
        """
        found = _read(content)
        for digest, each in self._counted.items():
            kept = found.get(digest)
            same = kept is not None and kept.counts.size == each.counts.size
            found[digest] = replace(kept, plan=each.plan) if kept is not None and same else each
        self._counted = found


def series(layout: Layout, features: Sequence[str] = ()) -> int:
    """Return how many series the fleet's counts of one model have."""
    found = 0
    for slot in layout.slots:
        if chosen(slot.name, features, ()):
            bins = int(layout.bins[slot.start : slot.stop].max()) + 1
            # Each bin's rows and its share of the reference, the two rests, the design effect.
            found += 2 * bins + len(_REST) + 1
    return found


def _plan(model: ModelKey, layout: Layout, features: Sequence[str]) -> _Plan:
    head = (model.name, model.version, layout.reference)
    series: list[tuple[str, ...]] = []
    gauges: list[GaugePoint] = []
    place = np.full(layout.size, -1, np.intp)
    for slot in layout.slots:
        if not chosen(slot.name, features, ()):
            continue
        bins = layout.bins[slot.start : slot.stop - len(_REST)]
        names = bin_names(slot, bins)
        first = len(series)
        place[slot.start : slot.stop - len(_REST)] = first + bins.astype(np.intp)
        place[slot.stop - len(_REST) : slot.stop] = first + len(names) + np.arange(len(_REST))
        series += [(*head, slot.name, name) for name in (*names, *_REST)]
        gauges += _gauges(layout, slot, (*head, slot.name), names)
    place[place < 0] = len(series)
    return _Plan(place, tuple(series), tuple(gauges))


def _gauges(
    layout: Layout, slot: Slot, head: tuple[str, ...], names: Sequence[str]
) -> Iterator[GaugePoint]:
    cells = slice(slot.start, slot.stop - len(_REST))
    rows = reference_in_bins(slot, layout.counts[cells], layout.bins[cells])
    if rows.sum() > 0:  # else it has no shares, and no index
        for name, share in zip(names, (rows / rows.sum()).tolist(), strict=True):
            yield GaugePoint(m.DRIFT_REFERENCE_BIN_RATIO, (*head, name), share)
    yield GaugePoint(m.DRIFT_DESIGN_EFFECT, head, layout.deff)


def _read(content: bytes) -> dict[str, _Counted]:
    header, arrays = unpack(_MAGIC, content)
    try:
        return {
            str(digest): _Counted(float(start_s), float(seen_s), counts.astype(np.int64))
            for (digest, start_s, seen_s), counts in zip(header["references"], arrays, strict=True)
        }
    except (LookupError, TypeError, ValueError) as error:
        raise PackingError(
            "fleet counts: got a header of another format from the record; expected this "
            "version's. Leave the record out."
        ) from error
