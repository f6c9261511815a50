"""Two tables in, a report out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from tidegauge_drift.columns import read
from tidegauge_drift.profile import ReferenceProfile
from tidegauge_drift.report.by_segment import Track, compare_segments
from tidegauge_drift.report.evidence import Evidence
from tidegauge_drift.report.options import CompareSettings
from tidegauge_drift.report.pairing import Pair, against_profile, against_rows
from tidegauge_drift.report.result import NUMERIC, POOLED, Compared, DriftReport, Statistic
from tidegauge_drift.report.tables import Rows, numbers, open_rows
from tidegauge_drift.report.verdict import judge
from tidegauge_drift.store import checksum


def compare(
    reference: Any, current: Any, *, settings: CompareSettings | None = None
) -> DriftReport:
    """Compare current rows with a reference, feature by feature and all together.

    Parameters
    ----------
    reference : ReferenceProfile, DataFrame (pandas, polars), pyarrow Table, or ndarray (m, k)
        What is normal. Rows give the textbook's statistics; a profile gives them on its cells, and
        each such value says ``from_cells``.
    current : as ``reference``, but no profile
        The rows in question. Matched by name where both sides have names, else by position.
    settings : CompareSettings, optional
        Which columns are outputs, which take part, the level, the column of time, the column of
        segments.

    Returns
    -------
    DriftReport
        Flagged features first, larger effects before smaller. A feature without a verdict has
        ``drifted`` None and says why in ``reason``; it never takes the others with it.

    Raises
    ------
    TypeError
        An argument is nothing that has columns, or ``settings`` is something else.
    ValueError
        Columns cannot be matched: there are no names and the numbers differ, or a column that the
        settings name is not there.

    Notes
    -----
    Both sides are compared as float64; where one has single precision, the other is rounded to it
    first. A numeric feature's p-value is twice the smaller one of Kolmogorov-Smirnov and of
    Pearson's chi-square on the ten quantile bins; categories have the two-sample chi-square with
    rare ones pooled. Inputs, outputs and data quality are families of their own, each adjusted by
    Benjamini and Hochberg. Flagged is what is at most ``alpha`` after that *and* changed by more
    than the floor (KS or a share by .05, PSI .02, Cohen's h .08). Below 30 rows there is none.
    Without a time column rows are taken as independent. O(k (m log m + n log n)). The false alarms
    on clean data are measured by ``bench/report_false_alarms.py``.
    """
    options = CompareSettings() if settings is None else settings
    return compare_tables(reference, current, options)


def compare_tables(
    reference: Any,
    current: Any,
    settings: CompareSettings,
    *,
    sources: tuple[str, str] = ("reference", "current"),
    track: Track | None = None,
) -> DriftReport:
    """Compare with names for both sides, and ``track`` around what takes long: a progress bar.

    It raises what ``compare`` raises.
    """
    if not isinstance(settings, CompareSettings):
        raise TypeError(
            f"settings: got {type(settings).__name__} from the argument; expected a "
            "CompareSettings. Leave it out for the defaults."
        )
    _check_segment(settings)
    track = track or _untracked
    now, season = open_rows("current", current), ""
    for side in (reference, now):
        _check_sketch(side, settings)
    known: ReferenceProfile | Rows
    if isinstance(reference, ReferenceProfile):
        known = reference
        found = against_profile(reference, now, settings)
        before = Compared(sources[0], reference.rows, checksum(reference)[:8])
        order = reference.order
        if reference.season:
            season = reference.season if settings.time_column else POOLED
    else:
        known = open_rows("reference", reference)
        found = against_rows(known, now, settings)
        before = Compared(sources[0], known.original)
        order = "time" if settings.time_column else "unknown"
    pairs, missing, additional = found
    evidence = [pair.evidence() for pair in track(pairs, "comparing features")]
    reports = judge(evidence, settings.alpha)
    segments = None
    if settings.segment:
        segments = compare_segments(known, now, settings, evidence, track)
    return DriftReport(
        before, Compared(sources[1], now.original),
        tuple(sorted(reports, key=lambda feature: feature.rank)), missing, additional,
        settings.alpha, order, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), season,
        _together(pairs, evidence) if settings.multivariate else {}, segments,
        tuple(_stands_for(side, rows) for side, rows in (("reference", known), ("current", now))
              if isinstance(rows, Rows) and rows.sketch is not None),
    )  # fmt: skip


def _untracked(items: Sequence[Any], _: str) -> Iterable[Any]:
    return items


def _check_segment(settings: CompareSettings) -> None:
    if settings.segment and settings.segment in (settings.time_column, *settings.outputs):
        raise ValueError(
            f"segment: got {settings.segment!r} from the argument, which is the column of time or "
            "an output; expected a column of categories, as of a country or a plan. Name another."
        )


def _check_sketch(side: Any, settings: CompareSettings) -> None:
    """Refuse what needs rows."""
    if not isinstance(side, Rows) or side.sketch is None:
        return
    for option in ("segment", "time_column", "multivariate"):
        if getattr(settings, option):
            raise ValueError(
                f"{option}: got {getattr(settings, option)!r} from the argument with a "
                f"{side.sketch.kind}, which has no rows any more; expected a table. Leave it out."
            )


def _stands_for(side: str, rows: Rows) -> str:
    kind = "" if rows.sketch is None else rows.sketch.kind
    return (
        f"The {side} is a {kind} of {rows.original:,} rows: {rows.rows:,} values stand for each "
        "column, as many as the profile is exact for, and its own statistics are of them."
    )


def _together(pairs: Sequence[Pair], evidence: Sequence[Evidence]) -> dict[str, Statistic]:
    """Compare the numeric features of both sides together; a profile has no rows for that."""
    from tidegauge_drift.report.multivariate import together  # noqa: PLC0415 - only if asked for

    both = [
        [numbers(read(values), unit=None)[0] for values in pair.columns]
        for pair, found in zip(pairs, evidence, strict=True)
        if pair.columns is not None and found.kind == NUMERIC
    ]
    return together([p for p, _ in both], [q for _, q in both])
