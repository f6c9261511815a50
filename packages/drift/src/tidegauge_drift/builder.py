"""Builds a reference profile from rows in memory."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift import columns as reading
from tidegauge_drift.accuracy import worst_ks_error
from tidegauge_drift.bins import quantile_bins
from tidegauge_drift.category import hash64, is_missing, text
from tidegauge_drift.cells import CategoryCounter, NumericCounter
from tidegauge_drift.grid import Edges, Floats, atoms, edges
from tidegauge_drift.profile import (
    KNOWN,
    TOP,
    CategoricalFeature,
    Feature,
    LeftOut,
    NumericFeature,
    ProfileError,
    ReferenceProfile,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Track = Callable[[Iterable[reading.Column]], Iterable[reading.Column]]


def build(
    data: Any,
    *,
    outputs: Any = None,
    drop: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    source: str = "memory",
    built: str = "",
    hash_categories: bool = False,
    track: Track = iter,
) -> ReferenceProfile:
    """Build a reference profile.

    Parameters
    ----------
    data : pandas or polars DataFrame, or ndarray of shape (rows, features)
        The model's inputs: rows that it was fitted on, or better, rows like those it will serve.
    outputs : as ``data``, or one-dimensional, optional
        The model's outputs for rows that it was not fitted on: outputs in sample look better than
        any live output ever will, and would alarm for ever.
    drop : sequence of str
        Columns of ``data`` that the model does not get, such as the label.
    include, exclude : sequences of globs
        Features that take part in drift; the others stay known by position.
    source, built : str
        Base name of the file, and the time of building (ISO 8601, UTC; now if empty).
    hash_categories : bool
        Store hashes instead of the categories' texts.
    track : callable
        Wraps the iteration over columns, for a progress bar.

    Returns
    -------
    ReferenceProfile

    Raises
    ------
    ProfileError
        The data has no rows, no column that can take part, or columns that cannot be told apart.

    Notes
    -----
    O(rows log rows) a column. Every row is in exactly one cell of every feature.
    """
    found, named = reading.read(data, drop=drop)
    features: list[Feature] = []
    left_out: list[LeftOut] = []
    for position, column in enumerate(track(found)):
        note = column.note
        if not reading.chosen(column.name, include, exclude):
            note = "excluded by name"
        if note:
            left_out.append(LeftOut(column.name, position, note))
        else:
            features.append(_feature(column, column.name, position, hash_categories))
    if not features:
        notes = "; ".join(f"{column.name}: {column.note}" for column in left_out[:5])
        raise ProfileError(
            f"data: got no column that can take part in drift from the argument ({notes}); "
            "expected at least one number or category. Check the columns and the globs."
        )
    names = {feature.name for feature in features} | {column.name for column in left_out}
    return ReferenceProfile(
        rows=features[0].rows,
        columns=len(found),
        named=named,
        features=tuple(features),
        outputs=_outputs(outputs, names, hash_categories),
        left_out=tuple(left_out),
        source=source,
        built=built or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


def _outputs(outputs: Any, taken: set[str], hash_categories: bool) -> tuple[Feature, ...]:
    if outputs is None:
        return ()
    if hasattr(outputs, "to_frame"):
        outputs = outputs.to_frame(outputs.name if outputs.name not in (None, "") else "output")
    elif np.ndim(outputs) == 1:
        outputs = np.asarray(outputs)[:, None]
    found, named = reading.read(outputs)
    features = []
    for position, column in enumerate(found):
        name = column.name if named else "output" if len(found) == 1 else f"output{position}"
        if column.values.size == 0 or column.note.startswith("holds"):
            raise ProfileError(
                f"outputs: got the column {name!r} that {column.note} from the argument; expected "
                "numbers or labels. Leave it out."
            )
        if name in taken:  # one series a feature: an output must not pass for an input
            name += " (output)"
        features.append(_feature(column, name, position, hash_categories))
    return tuple(features)


def _feature(column: reading.Column, name: str, position: int, hash_categories: bool) -> Feature:
    if column.categorical:
        return _categorical(column.values, name, position, hash_categories)
    return _numeric(column.values, name, position)


def _numeric(values: Floats, name: str, position: int) -> NumericFeature:
    finite = np.sort(values[np.isfinite(values)])
    low, high = float(finite[0]), float(finite[-1])
    chosen, deciles = edges(finite)
    counter = NumericCounter([chosen], [low], [high], [0], chosen.values.size + 7)

    def count(some: Floats) -> NDArray[np.int64]:
        return counter.count(some[:, None])

    counts = count(values)
    atom_cells = _atom_cells(chosen, atoms(finite), count)
    cells = counts[2:-4]
    shared = np.delete(cells, atom_cells) if atom_cells else cells
    starts = np.concatenate(([0], np.cumsum(cells)[:-1]))
    with np.errstate(all="ignore"):  # sums above 1.8e308 are stored as unknown
        sums = np.add.reduceat(np.concatenate((finite, [0.0])), starts) * (cells > 0)
        mean, sd = float(finite.mean()), float(finite.std())
        q25, median, q75 = (float(q) for q in np.quantile(finite, (0.25, 0.5, 0.75)))
    return NumericFeature(
        name=name,
        position=position,
        edges=chosen,
        counts=counts.astype(np.int64),
        bins=quantile_bins(chosen.values, low, deciles, cells, atom_cells),
        atoms=tuple(atom_cells),
        sums=sums,
        minimum=low,
        maximum=high,
        mean=mean,
        sd=sd,
        quartiles=(q25, median, q75),
        ks_error=worst_ks_error(values[np.isfinite(values)], count),
        ks_error_bound=float(shared.max() / finite.size) if shared.size else 0.0,
    )


def _atom_cells(
    chosen: Edges, values: Floats, count: Callable[[Floats], NDArray[np.int64]]
) -> list[int]:
    if chosen.ticks is not None:
        return []
    return [int(np.flatnonzero(count(np.array([value])))[0]) - 2 for value in values]


def _categorical(
    values: NDArray[Any], name: str, position: int, hash_categories: bool
) -> CategoricalFeature:
    totals = Counter(text(value) for value in values.tolist() if not is_missing(value))
    by_hash = {hash64(category): category for category in totals}
    order = sorted(by_hash, key=lambda code: (-totals[by_hash[code]], code))
    top = np.array(order[:TOP], np.uint64)
    known = np.array(sorted(order) if len(order) <= KNOWN else [], np.uint64)
    shown = [f"#{code:016x}" if hash_categories else by_hash[code] for code in order[:TOP]]
    counts = CategoryCounter(top, known).count(values)
    return CategoricalFeature(
        name=name,
        position=position,
        top=tuple(shown),
        top_hashes=top,
        known=known,
        counts=counts.astype(np.int64),
        distinct=len(order),
        singletons=sum(1 for times in totals.values() if times == 1),
    )
