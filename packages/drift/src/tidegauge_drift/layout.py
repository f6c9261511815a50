"""The fixed layout of a reference's counts, compiled once and shared by all panes and windows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tidegauge.batch import ValueBounds

from tidegauge_drift.bins import category_bins
from tidegauge_drift.block import INPUTS, OUTPUTS, Block
from tidegauge_drift.buckets import buckets
from tidegauge_drift.cell_sums import Points
from tidegauge_drift.correlated import correlated
from tidegauge_drift.matching import ABSENT, Match, match, match_outputs
from tidegauge_drift.packing import digest as short
from tidegauge_drift.packing import narrow
from tidegauge_drift.profile import (
    Feature,
    NumericFeature,
    ProfileError,
    ReferenceProfile,
)
from tidegauge_drift.ranges import Ranges
from tidegauge_drift.segment_counts import SegmentCounts
from tidegauge_drift.store import checksum
from tidegauge_drift.times import SEASONS
from tidegauge_drift.wanted import DEFAULT, Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tidegauge.batch import Table

    from tidegauge_drift.extras import Extra

# Sets of names that the outputs of one model go by, usually one.
_NAMES_KEPT = 64


class Layout:
    """A profile made ready: reference counts, bins and counters, without the profile."""

    def __init__(self, profile: ReferenceProfile, wanted: Wanted = DEFAULT) -> None:
        if profile.segments is None:
            wanted = replace(wanted, segments=False)
        self.wanted = wanted
        digest = checksum(profile)
        self.reference = digest[:8]
        self.source = profile.source
        self.built = profile.built
        self.rows = profile.rows
        self.deff = profile.deff
        self.season = profile.season
        #: What the correlations of inputs are compared with; None where nobody wants that.
        self.correlated = correlated(profile) if wanted.correlation else None
        members = self.correlated.members if self.correlated is not None else ()
        self.inputs = Block(profile.features, INPUTS, 0, wanted, members)
        self.outputs = Block(profile.outputs, OUTPUTS, self.inputs.size, wanted)
        self.slots = self.inputs.slots + self.outputs.slots
        self.size = self.inputs.size + self.outputs.size
        features = (*profile.features, *profile.outputs)
        counts = np.concatenate([feature.counts for feature in features])
        self.counts = narrow(counts, int(counts.max(initial=0)))
        # Rows are the slots of the season, none without one.
        self.by_slot = narrow(
            np.concatenate([_by_slot(feature, profile.season) for feature in features], axis=1),
            int(counts.max(initial=0)),
        )
        self.bins = np.concatenate([_bins(feature) for feature in features])
        self.ranges = Ranges(features)
        #: Where rows lie within the cells of numeric features, by their places.
        self.points = {
            i: Points(feature)
            for i, feature in enumerate(features)
            if wanted.wasserstein and isinstance(feature, NumericFeature)
        }
        #: The reference's counts on bins of equal width, by the places of numeric features.
        self.wide = {
            i: _wide(feature)
            for i, feature in enumerate(features)
            if wanted.classic and isinstance(feature, NumericFeature)
        }
        #: The segments that are compared by themselves; None without.
        self.segments = None if profile.segments is None or not wanted.segments else SegmentCounts(
            profile.segments, features, named=profile.named, width=profile.columns
        )  # fmt: skip
        self.digest = short(f"{digest}:{self.size}{wanted.counted}")
        #: Equal where what is counted of calls can be added up.
        self.events_digest = short("".join(map(_said, features)) + self._events())
        self._width = profile.columns
        named = profile.named
        self._features = tuple((f.name if named else "", f.position) for f in profile.features)
        self._outputs = tuple((f.name, f.position) for f in profile.outputs)
        self._buckets = tuple(
            buckets(f) if isinstance(f, NumericFeature) else () for f in profile.outputs
        )
        # Changes with the buckets alone; empty where there are none.
        self._origin = short(repr(self._buckets)) if any(self._buckets) else ""
        self._bounds: dict[tuple[str, ...], ValueBounds] = {}
        self._others = frozenset(column.name for column in profile.left_out)

    def _events(self) -> str:
        return self.inputs.events.tobytes().hex() + self.outputs.events.tobytes().hex()

    def match_inputs(self, table: Table) -> Match:
        """Match a table of inputs to the reference's features."""
        return match(self._features, self._others, self._width, table.names, _width(table))

    def match_outputs(self, table: Table) -> Match:
        """Match a table of outputs to the reference's."""
        return match_outputs(self._outputs, table.names, _width(table))

    def further(self, kind: str, i: int, extra: Extra) -> NDArray[Any] | None:
        """Return the part of the feature at one place of the arrays beside the counts."""
        inputs = len(self.inputs.slots)
        if i < inputs:
            return self.inputs.further(kind, i, extra)
        return self.outputs.further(kind, i - inputs, extra)

    def value_bounds(self, outputs: tuple[str, ...]) -> ValueBounds:
        """Return the buckets of a model's outputs, as far as the reference has these outputs."""
        found = self._bounds.get(outputs)
        if found is None:
            match = match_outputs(self._outputs, outputs, len(outputs))
            bounds = {
                outputs[column]: ends
                for column, ends in zip(match.columns, self._buckets, strict=True)
                if column != ABSENT and ends
            }
            if len(self._bounds) >= _NAMES_KEPT:
                self._bounds.clear()
            found = self._bounds[outputs] = ValueBounds(self._origin, bounds)
        return found


def _wide(feature: NumericFeature) -> NDArray[np.int64]:
    if feature.wide is None:
        raise ProfileError(
            f"TIDEGAUGE_DRIFT_MODE: got 'classic' with a reference that has no counts on bins of "
            f"equal width ({feature.name!r}), because it is merged or of an older format; expected "
            "one that was built from its rows. Build it again with 'tidegauge reference build'."
        )
    return feature.wide


def _said(feature: Feature) -> str:
    """Return what tells a feature's cells from others."""
    if isinstance(feature, NumericFeature):
        cells = feature.edges.values
        return f"{feature.name}:{feature.unit}:{feature.minimum}:{feature.maximum}:{cells.tolist()}"
    return f"{feature.name}:{feature.top_hashes.tolist()}"


def _by_slot(feature: Feature, season: str) -> NDArray[np.int64]:
    if feature.by_slot is None:  # outputs whose rows have no times: the same in each slot
        return np.tile(feature.counts, (SEASONS.get(season, 0), 1))
    return feature.by_slot


def _bins(feature: Feature) -> NDArray[np.uint8]:
    bins = np.zeros(feature.counts.size, np.uint8)
    if isinstance(feature, NumericFeature):
        bins[:-2] = feature.bins
    else:
        bins[:-2] = category_bins(feature.cells)
    return bins


def _width(table: Table) -> int:
    if table.matrix is not None:
        return int(table.matrix.shape[1])
    return len(table.columns or ())
