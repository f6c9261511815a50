"""Builds a reference profile from a table, in memory or larger than it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tidegauge.features import chosen

from tidegauge_drift.correlation import Correlation, Learner
from tidegauge_drift.counting import Categories, Numbers, numbers
from tidegauge_drift.following import bounded
from tidegauge_drift.profile import (
    IN_TIME,
    UNKNOWN,
    Feature,
    LeftOut,
    NumericFeature,
    ProfileError,
    ReferenceProfile,
    Segments,
)
from tidegauge_drift.scan import Scan, Table, Track
from tidegauge_drift.segments import Sorter, check, declared
from tidegauge_drift.tables import MemoryRows, Rows
from tidegauge_drift.times import SEASONS, Clock, slots

if TYPE_CHECKING:
    from collections.abc import Mapping


def untracked(
    items: Iterable[Any],
    description: str,  # noqa: ARG001 - the protocol's
    total: float | None = None,  # noqa: ARG001 - the protocol's
) -> Iterable[Any]:
    """Show no progress."""
    return items


def build(
    data: Any,
    *,
    outputs: Any = None,
    drop: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    time_column: str = "",
    season: str = "",
    segment: str = "",
    source: str = "memory",
    built: str = "",
    hash_categories: bool = False,
    correlation: bool = False,
    track: Track = untracked,
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
        Features that take part in drift; the others stay known by position. Times and what counts
        or names rows take part only if their full name is in ``include``.
    time_column : str
        The column of ``data`` with the rows' times. Rows are taken in their order, and how much
        they depend on each other is measured. It is no feature.
    season : 'hour' or 'hour_of_week'
        Count each hour of the day or of the week by itself; needs ``time_column``.
    segment : str
        A column of ``data``: count the rows of its ten most frequent values by themselves too. Not
        with a season. A column of that name in ``outputs`` says which segment their rows are of.
    source, built : str
        Base name of the file, and the time of building (ISO 8601, UTC; now if empty).
    hash_categories : bool
        Store hashes instead of the categories' texts.
    correlation : bool
        Go through the rows once more and store the correlations of the first 50 numeric inputs, in
        the order of the columns, that are not constant.
    track : callable
        Wraps the iteration over parts of the table, for a progress bar.

    Returns
    -------
    ReferenceProfile

    Raises
    ------
    ProfileError
        The data has no rows, no column that can take part, or columns that cannot be told apart;
        a time is missing; or ``segment`` has no values that are frequent enough.

    Notes
    -----
    Memory is bounded: about 1 MB a numeric column beside the rows of one part. Each round costs
    O(rows log rows) a column; there are two where no numeric column has more than 16,384 distinct
    values, else three or four. Every row is in exactly one cell of every feature. Counts are equal
    bit for bit whatever parts the rows came in, and whatever their order; means and standard
    deviations agree to 1e-12.
    """
    rows = data if hasattr(data, "parts") else MemoryRows(data)
    _check(rows, drop, time_column, season)
    if segment:
        check(rows, segment, drop=drop, time_column=time_column, season=season)
    rows = _in_time(rows, time_column)
    columns = [name for name in rows.names if name not in drop]
    wanted = [n for n in columns if n != time_column and chosen(n, include, exclude)]
    also = [segment] if segment and segment not in wanted else []
    table = _scanned(rows, [*wanted, *also], time_column, track)
    notes = {name: _note(scan, include) for name, scan in table.scans.items()}
    kept = {name: name for name in wanted if not notes[name]}
    places = {name: place for place, name in enumerate(columns)}
    segments = (
        declared(table, segment, places[segment], hashed=hash_categories) if segment else None
    )
    features = _count(table, kept, places, season=season, hashed=hash_categories, segments=segments)
    excluded = {time_column: "holds the rows' times"}
    known = _learn(table, kept, features) if correlation else None
    left_out = [
        LeftOut(name, places[name], notes.get(name) or excluded.get(name, "excluded by name"))
        for name in columns
        if name not in kept
    ]
    if not features:
        shown = "; ".join(f"{column.name}: {column.note}" for column in left_out[:5])
        raise ProfileError(
            f"data: got no column that can take part in drift from the argument ({shown}); "
            "expected at least one number or category. Check the columns and the globs."
        )
    found = _outputs(
        outputs, set(columns),
        time_column=time_column, season=season, hashed=hash_categories, track=track,
        segments=segments,
    )  # fmt: skip
    return ReferenceProfile(
        rows=features[0].rows,
        columns=len(columns),
        named=rows.named,
        features=features,
        outputs=found,
        left_out=tuple(left_out),
        source=source,
        built=built or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        order=IN_TIME if time_column else UNKNOWN,
        deff=max(feature.deff for feature in (*features, *found)),
        time_column=time_column,
        span=table.clock.span() if table.clock is not None else None,
        season=season,
        correlation=known,
        segments=segments,
    )


def _check(rows: Rows, drop: Sequence[str], time_column: str, season: str) -> None:
    twice = sorted({name for name in rows.names if rows.names.count(name) > 1})
    if twice:
        raise ProfileError(
            f"data: got {len(twice)} names used by several columns from the argument, the first is "
            f"{twice[0]!r}; expected one column a name. Rename them."
        )
    for argument, names in (("drop", drop), ("time_column", [time_column] if time_column else [])):
        for name in names:
            if name not in rows.names:
                raise ProfileError(
                    f"{argument}: got {name!r} from the argument; expected one of the columns: "
                    f"{', '.join(rows.names[:20])}. Correct the name."
                )
    if season and (season not in SEASONS or not time_column):
        got = repr(season) if season not in SEASONS else "a season without a time column"
        raise ProfileError(
            f"season: got {got} from the argument; expected {' or '.join(SEASONS)}, and the column "
            "of the rows' times. Pass --time-column too."
        )


def _in_time(rows: Rows, time_column: str) -> Rows:
    """Sort what is in memory; a file has to be sorted."""
    if not time_column or not isinstance(rows, MemoryRows):
        return rows
    clock = Clock(time_column, rows.source)
    parts = [clock.seconds(part[time_column]) for part in rows.parts([time_column], ())]
    seconds = np.concatenate([*parts, np.empty(0)])
    if (np.diff(seconds) >= 0).all():
        return rows
    return rows.ordered(np.argsort(seconds, kind="stable"))


def _scanned(rows: Rows, wanted: Sequence[str], time: str, track: Track) -> Table:
    table = Table(rows, wanted, time, track)
    table.scan()
    if not rows.names or any(scan.rows == 0 for scan in table.scans.values()):
        raise ProfileError(
            "data: got no rows or no columns from the argument; expected at least one of each. "
            "Build the reference from the rows that the model was fitted for."
        )
    return table


def _note(scan: Scan, include: Sequence[str]) -> str:
    """Return why a column takes no part, unless it is named in full and holds numbers or names."""
    asked = scan.name in include and scan.known
    return "" if asked else scan.note()


def _count(
    table: Table,
    kept: Mapping[str, str],
    places: Mapping[str, int],
    *,
    season: str,
    hashed: bool,
    segments: Segments | None,
) -> tuple[Feature, ...]:
    """Count the kept columns, which are shown under other names, in the order of their places."""
    scans = [table.scans[name] for name in kept]
    ordered = table.clock is not None
    many = SEASONS.get(season, 0) if ordered else 0
    sorter, number = (None, 0) if segments is None else (
        Sorter(segments.hashes), len(segments.texts)
    )  # fmt: skip
    numbers = Numbers(
        [s for s in scans if not s.categorical], ordered=ordered, slots=many, segments=number
    )
    categories = {
        scan.name: Categories(scan, ordered=ordered, slots=many, hashed=hashed, segments=number)
        for scan in scans
        if scan.categorical
    }
    columns = {*kept} if segments is None else {*kept, segments.name}
    for parts, times in table.parts(columns, timed=ordered):
        found = slots(times, season) if many and times is not None else None
        of = sorter.places(parts[segments.name].values) if sorter and segments else None
        numbers.add(parts, found, of)
        for name, counter in categories.items():
            counter.add(parts[name], found, of)
    if many:  # once more, now that it is known what to expect of each slot
        for parts, times in table.parts(kept, timed=True):
            if times is not None:
                found = slots(times, season)
                numbers.again(parts, found)
                for name, counter in categories.items():
                    counter.again(parts[name], found)
    features = tuple(
        categories[name].feature(places[name], shown)
        if name in categories
        else numbers.feature(name, places[name], shown)
        for name, shown in kept.items()
    )
    if any(f.rows != scan.rows for f, scan in zip(features, scans, strict=True)):
        raise table.changed()
    return bounded(features) if ordered else features


def _learn(
    table: Table, kept: Mapping[str, str], features: Sequence[Feature]
) -> Correlation | None:
    """Go through the rows once more for the correlations of numeric columns, if there are two."""
    numeric = [feature for feature in features if isinstance(feature, NumericFeature)]
    learner = Learner(numeric)
    if len(learner.names) < 2:  # noqa: PLR2004 - a correlation takes two
        return None
    column = {shown: name for name, shown in kept.items()}
    names = [column[shown] for shown in learner.names]
    for parts, _ in table.parts(names):
        learner.add(np.column_stack([numbers(parts[name]) for name in names]))
    return learner.learnt()


def _outputs(
    outputs: Any,
    taken: set[str],
    *,
    time_column: str,
    season: str,
    hashed: bool,
    track: Track,
    segments: Segments | None,
) -> tuple[Feature, ...]:
    if outputs is None:
        return ()
    rows = _output_rows(outputs)
    time = time_column if time_column in rows.names and rows.named else ""
    if segments is not None and not (rows.named and segments.name in rows.names):
        segments = None
    apart = time if segments is None else segments.name
    names = [name for name in rows.names if name not in (time, apart)]
    also = [] if segments is None else [segments.name]
    table = _scanned(_in_time(rows, time), [*names, *also], time, track)
    kept: dict[str, str] = {}
    for position, name in enumerate(names):
        scan = table.scans[name]
        shown = name if rows.named else "output" if len(names) == 1 else f"output{position}"
        if not scan.known:
            raise ProfileError(
                f"outputs: got the column {shown!r} that {scan.note()} from the argument; expected "
                "numbers or labels. Leave it out."
            )
        # One series a feature: an output must not pass for an input.
        kept[name] = f"{shown} (output)" if shown in taken else shown
    places = {name: place for place, name in enumerate(names)}
    return _count(table, kept, places, season=season, hashed=hashed, segments=segments)


def _output_rows(outputs: Any) -> Rows:
    if hasattr(outputs, "parts"):
        found: Rows = outputs
        return found
    if hasattr(outputs, "to_frame"):
        outputs = outputs.to_frame(outputs.name if outputs.name not in (None, "") else "output")
    elif np.ndim(outputs) == 1:
        outputs = np.asarray(outputs)[:, None]
    return MemoryRows(outputs)
