"""Merges finished profiles: new cells are cut from the sum of their histograms."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.accuracy import ROWS, worst_ks_error
from tidegauge_drift.bins import quantile_bins
from tidegauge_drift.cells import NumericCounter
from tidegauge_drift.grid import ATOM, QUANTILES, Edges, Floats, exact, grids_of
from tidegauge_drift.leaves import Leaves
from tidegauge_drift.profile import (
    IN_TIME,
    KNOWN,
    TOP,
    UNKNOWN,
    CategoricalFeature,
    Feature,
    LeftOut,
    NumericFeature,
    ProfileError,
    ReferenceProfile,
)
from tidegauge_drift.single import alike_edges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMES = 10
# A leaf holds no more than 1/256 of the rows, or one value; next to none lie in this part of it.
_RIM = 1e-3


def merge(profiles: Sequence[ReferenceProfile], *, built: str = "") -> ReferenceProfile:
    """Return the profile of all rows of several profiles.

    Counts on the new cells are exact; quantiles are those of histograms whose ranges hold at most
    1/256 of each profile, and sums of cells are estimated. Design effects are the largest ones;
    seasons, segments and correlations are lost, because they are of other cells.

    Parameters
    ----------
    profiles : sequence of ReferenceProfile
        At least two, of the same columns, built from different rows.
    built : str
        The time of merging (ISO 8601, UTC; now if empty).

    Raises
    ------
    ProfileError
        There are fewer than two, their features differ, or one has no histograms (format 1).
    """
    first = profiles[0] if profiles else None
    if first is None or len(profiles) < 2:  # noqa: PLR2004 - a merge takes two
        raise ProfileError(
            f"profiles: got {len(profiles)} from the argument; expected at least two. Name the "
            "files to merge."
        )
    if any(p.named != first.named or p.columns != first.columns for p in profiles):
        raise ProfileError(
            "profiles: got tables of other columns from the argument; expected the same ones in "
            "all. Build the references from tables of one model."
        )
    out = {c.name: c for profile in reversed(profiles) for c in profile.left_out}
    features = _features([[f for f in p.features if f.name not in out] for p in profiles])
    outputs = _features([p.outputs for p in profiles])
    spans = [profile.span for profile in profiles if profile.span is not None]
    known = len(spans) == len(profiles)
    ordered = all(profile.order == IN_TIME for profile in profiles)
    if not features:
        raise ProfileError(
            "profiles: got none that has a feature which the others have from the argument; "
            "expected references of one model. Build them from tables of the same columns."
        )
    places = {f.name: f.position for profile in profiles for f in profile.features}
    return ReferenceProfile(
        rows=sum(profile.rows for profile in profiles),
        columns=first.columns,
        named=first.named,
        features=features,
        outputs=outputs,
        left_out=tuple(
            LeftOut(c.name, places.get(c.name, c.position), c.note) for c in out.values()
        ),
        source=" + ".join(dict.fromkeys(profile.source for profile in profiles)),
        built=built or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        order=IN_TIME if ordered else UNKNOWN,
        deff=max(feature.deff for feature in (*features, *outputs)),
        time_column=first.time_column if ordered else "",
        span=(min(s[0] for s in spans), max(s[1] for s in spans)) if known else None,
        merged=sum(max(1, profile.merged) for profile in profiles),
    )


def _features(given: Sequence[Sequence[Feature]]) -> tuple[Feature, ...]:
    """Merge the features of equal names; all profiles must have the same ones."""
    by_name = [{feature.name: feature for feature in features} for features in given]
    names = {name for features in by_name for name in features}
    missing = sorted(name for name in names if any(name not in f for f in by_name))
    if missing:
        raise ProfileError(
            f"profiles: got {', '.join(missing[:_NAMES])} in some but not in all of them from the "
            "argument; expected the same features and outputs in all. Build them alike."
        )
    return tuple(_feature([features[name] for features in by_name]) for name in by_name[0])


def _feature(parts: Sequence[Feature]) -> Feature:
    numeric = [part for part in parts if isinstance(part, NumericFeature)]
    categorical = [part for part in parts if isinstance(part, CategoricalFeature)]
    units = {part.unit for part in numeric}
    if (numeric and categorical) or len(units) > 1:
        raise ProfileError(
            f"profiles: got the feature {parts[0].name!r} with other kinds of values from the "
            "argument; expected one kind in all. Build them from columns of one type."
        )
    old = any(not part.leaves for part in numeric)
    if old or any(part.known_counts is None for part in categorical):
        raise ProfileError(
            "profiles: got one of format 1, without histograms, from the argument; expected files "
            "that this version has built. Build it again with 'tidegauge reference build'."
        )
    return _numeric(numeric) if numeric else _categorical(categorical)


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Where a sum of histograms can be cut: before each leaf, and after each frequent value."""

    leaves: Leaves
    low: float
    high: float

    @property
    def rows(self) -> int:
        return int(self.leaves.counts.sum())

    def at_shares(self, shares: Floats) -> Floats:
        """Return the cuts that are nearest to shares of the rows."""
        before = np.cumsum(self.leaves.counts) - self.leaves.counts
        nearest = np.abs(before[:, None] / self.rows - shares).argmin(axis=0)
        found: Floats = self.leaves.starts()[nearest]
        return found

    def at_values(self, values: Floats) -> Floats:
        """Return the cuts that are nearest to values."""
        starts = self.leaves.starts()
        place = np.clip(np.searchsorted(starts, values), 1, starts.size - 1)
        with np.errstate(all="ignore"):
            left = values - starts[place - 1] < starts[place] - values
        found: Floats = starts[np.where(left, place - 1, place)]
        return found

    def frequent(self) -> Floats:
        """Return the values that hold more than their share each."""
        starts = self.leaves.starts()
        single = starts == self.leaves.ends()
        found: Floats = starts[single & (self.leaves.counts > ATOM * self.rows)]
        return found

    def splits(self, edges: Floats) -> bool:
        """Tell whether an edge lies within a leaf, whose rows cannot be told apart, off its rim."""
        starts, ends = self.within()
        place = np.maximum(np.searchsorted(starts, edges, "left") - 1, 0)
        start, end = starts[place], ends[place]
        with np.errstate(all="ignore"):
            rim = _RIM * (end - start)
            return bool(((edges > start + rim) & (edges <= end - rim)).any())

    def within(self) -> tuple[Floats, Floats]:
        """Return where the leaves begin and end, as far as there are values."""
        return np.maximum(self.leaves.starts(), self.low), np.minimum(self.leaves.ends(), self.high)

    def at_ranks(self, ranks: NDArray[np.int64]) -> Floats:
        """Return the values at places of the sorted rows; those of a leaf lie evenly in it."""
        ends = np.cumsum(self.leaves.counts)
        place = np.searchsorted(ends, ranks, "right")
        count = self.leaves.counts[place]
        start, end = (side[place] for side in self.within())
        share = (ranks - (ends[place] - count) + 0.5) / count
        with np.errstate(all="ignore"):
            middle = start * (1 - share) + end * share
        return np.where(start == end, start, middle)


def _numeric(parts: Sequence[NumericFeature]) -> NumericFeature:
    leaves = Leaves.unpack(parts[0].leaves)
    for part in parts[1:]:
        leaves = leaves + Leaves.unpack(part.leaves)
    low, high = min(part.minimum for part in parts), max(part.maximum for part in parts)
    cut = _Cut(leaves, low, high)
    quartiles = cut.at_ranks((np.array((0.25, 0.5, 0.75)) * (cut.rows - 1)).astype(np.int64))
    q25, q50, q75 = (float(q) for q in quartiles)
    deciles = cut.at_shares(np.arange(1, 10) / 10)
    chosen = _edges(cut, deciles, (q25, q50, q75))
    told = chosen.told(low, high)
    start, end = cut.within()
    middle = np.where(start == end, start, start / 2 + end / 2)
    place = np.searchsorted(told.values, middle, "right")
    cells = np.bincount(place, leaves.counts, chosen.values.size + 1).astype(np.int64)
    outer = np.sum([(*part.counts[:2], *part.counts[-4:]) for part in parts], axis=0)
    counts = np.concatenate((outer[:2], cells, outer[2:])).astype(np.int64)
    counter = NumericCounter([chosen], [low], [high], [0], counts.size)

    def count(some: Floats) -> NDArray[np.int64]:
        return counter.count(some[:, None]).astype(np.int64)

    atoms = [int(np.searchsorted(told.values, v, "right")) for v in cut.frequent()]
    shared = np.delete(cells, atoms) if atoms else cells
    mean, sd = _moments(parts)
    sample = cut.at_ranks((np.arange(ROWS) * cut.rows) // ROWS) if cut.rows > ROWS else (
        cut.at_ranks(np.arange(cut.rows))
    )  # fmt: skip
    return NumericFeature(
        name=parts[0].name,
        position=parts[0].position,
        edges=chosen,
        counts=counts,
        bins=quantile_bins(chosen.values, low, np.unique(deciles), cells, atoms),
        atoms=tuple(atoms),
        sums=_sums(cut, place, cells, mean),
        minimum=low,
        maximum=high,
        mean=mean,
        sd=0.0 if low == high else sd,
        quartiles=(q25, q50, q75),
        ks_error=worst_ks_error(sample, count),
        ks_error_bound=float(shared.max() / cut.rows) if shared.size else 0.0,
        deff=max(part.deff for part in parts),
        leaves=leaves.pack(),
        unit=parts[0].unit,
    )


def _edges(cut: _Cut, deciles: Floats, quartiles: tuple[float, float, float]) -> Edges:
    wanted = cut.at_shares(np.arange(1, QUANTILES) / QUANTILES)
    with np.errstate(all="ignore"):  # a range above 1.8e308 has no width: it gets fewer edges
        width = cut.low + (cut.high - cut.low) * np.arange(1, 10) / 10
    atoms = cut.frequent()
    with np.errstate(over="ignore"):  # the largest float has no next one
        after = np.nextafter(atoms, np.inf)
    even = cut.at_values(width[np.isfinite(width)]) if cut.leaves.heads.size > 1 else width[:0]
    kept = np.unique(np.concatenate((wanted, deciles, even, atoms, after)))
    kept = kept[(kept > cut.low) & (kept <= cut.high)]
    moved = alike_edges(cut.low, cut.high, kept)
    single = moved is not None and not cut.splits(moved)
    return exact(kept, grids_of(cut.low, cut.high, quartiles), single=single)


def _sums(cut: _Cut, place: NDArray[np.intp], cells: NDArray[np.int64], mean: float) -> Floats:
    """Estimate the sums of the cells from the middles of leaves; all of them are right together."""
    start, end = cut.within()
    with np.errstate(all="ignore"):  # sums above 1.8e308 are stored as unknown
        middles = (start / 2 + end / 2) * cut.leaves.counts
        sums = np.bincount(place, middles, cells.size)
        return np.asarray(sums + (mean * cut.rows - sums.sum()) * cells / cut.rows)


def _moments(parts: Sequence[NumericFeature]) -> tuple[float, float]:
    n = np.array([part.counts[2:-4].sum() for part in parts], np.float64)
    means, sds = np.array([(part.mean, part.sd) for part in parts]).T
    with np.errstate(all="ignore"):
        mean = float((n * means).sum() / n.sum())
        return mean, float(np.sqrt((n * (sds**2 + (means - mean) ** 2)).sum() / n.sum()))


def _categorical(parts: Sequence[CategoricalFeature]) -> CategoricalFeature:
    texts: dict[int, str] = {}
    for part in reversed(parts):
        texts.update(zip(part.top_hashes.tolist(), part.top, strict=True))
    many = any(part.high_cardinality for part in parts)
    counted = [_counted(part) for part in parts]
    codes = set.union(*map(set, counted))
    if many:  # what is not among the most frequent ones of such a column was not counted
        codes = set.intersection(*(
            set(found) if part.high_cardinality else codes
            for part, found in zip(parts, counted, strict=True)
        ))  # fmt: skip
    totals = {code: sum(found.get(code, 0) for found in counted) for code in codes}
    order = sorted(totals, key=lambda code: (-totals[code], code))
    top = order[:TOP]
    known = [] if many or len(order) > KNOWN else sorted(order)
    outer: Any = np.sum([part.counts[-4:] for part in parts], axis=0)
    present = sum(int(part.counts[:-2].sum()) for part in parts)
    rest = present - sum(totals[code] for code in top)
    counts = [*(totals[code] for code in top), rest, 0, int(outer[2]), int(outer[3])]
    once = sum(part.singletons for part in parts) if many else list(totals.values()).count(1)
    return CategoricalFeature(
        name=parts[0].name,
        position=parts[0].position,
        top=tuple(texts.get(code, f"#{code:016x}") for code in top),
        top_hashes=np.array(top, np.uint64),
        known=np.array(known, np.uint64),
        counts=np.array(counts, np.int64),
        distinct=max(part.distinct for part in parts) if many else len(order),
        singletons=once,
        known_counts=np.array([totals[code] for code in known], np.int64),
        deff=max(part.deff for part in parts),
    )


def _counted(part: CategoricalFeature) -> dict[int, int]:
    if part.high_cardinality or part.known_counts is None:
        top = part.counts[: len(part.top)]
        return dict(zip(part.top_hashes.tolist(), top.tolist(), strict=True))
    return dict(zip(part.known.tolist(), part.known_counts.tolist(), strict=True))
