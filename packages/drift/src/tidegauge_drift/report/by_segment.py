"""Each segment of current rows against the reference's rows of it, all of them judged together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import hash64
from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.profile import CategoricalFeature, ReferenceProfile
from tidegauge_drift.report.evidence import ROWS
from tidegauge_drift.report.pairing import against_profile, against_rows
from tidegauge_drift.report.result import UNKNOWN
from tidegauge_drift.report.segment_result import BySegment, OtherValue, SegmentReport
from tidegauge_drift.report.segment_values import Values, check_values, column_of, read_values
from tidegauge_drift.report.tables import Rows
from tidegauge_drift.report.verdict import judge_together
from tidegauge_drift.segments import MAXIMUM

if TYPE_CHECKING:
    from tidegauge_drift.report.evidence import Evidence
    from tidegauge_drift.report.options import CompareSettings
    from tidegauge_drift.report.segment_values import Places

# Other values that are named; the rest is counted.
_NAMED = 100
#: A tenth of the level is theirs. All rows have theirs as ever, are wrong in .05 of clean windows,
#: and the report may be in .08; half of it made that .10 with ten segments, some of 30 rows
#: (docs/reference/report-verdict.md).
SHARE = 0.1

Track = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """One segment: its rows on both sides, and what compares them."""

    value: str
    reference_rows: int
    current_rows: int
    look: Callable[[], list[Evidence]]


def compare_segments(
    reference: Rows | ReferenceProfile,
    current: Rows,
    settings: CompareSettings,
    evidence: Sequence[Evidence],
    track: Track,
) -> BySegment:
    """Compare the rows of each segment; ``evidence`` is that of all rows.

    Segments are the ten most frequent values of a column in the reference, or those that a profile
    was built with. A feature that could not be compared with all rows is not looked at, and the
    rows of a segment are worth as much as those of the feature are.

    Raises
    ------
    ValueError
        There is no such column, its values do not make segments, or the profile was built with
        others or without.
    """
    if isinstance(reference, ReferenceProfile):
        found, rest = _of_profile(reference, current, settings)
    else:
        found, rest = _of_rows(reference, current, settings, evidence)
    known = {each.name for each in evidence if each.kind != UNKNOWN} - {settings.segment}
    looked: list[tuple[_Segment, list[Evidence]]] = []
    for segment in track(found, "comparing segments"):
        few = min(segment.reference_rows, segment.current_rows) < MINIMUM_ROWS
        looked.append((segment, [] if few else [e for e in segment.look() if e.name in known]))
    alpha = settings.alpha * SHARE
    judged = iter(judge_together([each for _, part in looked for each in part], alpha))
    reports = []
    for segment, part in looked:
        features = sorted((next(judged) for _ in part), key=lambda feature: feature.rank)
        sizes = segment.reference_rows, segment.current_rows
        reason = "" if part else _few(*sizes)
        reports.append(SegmentReport(segment.value, *sizes, tuple(features), reason))
    reports.sort(key=lambda each: (not each.drifted, -each.reference_rows, each.value))
    return replace(rest, segments=tuple(reports), alpha=alpha)


def _few(reference: int, current: int) -> str:
    side, rows = min((("reference", reference), ("current", current)), key=lambda pair: pair[1])
    if rows >= MINIMUM_ROWS:
        return "no feature is left to compare"
    return f"{side} has {rows} rows of it; {ROWS}"


def _of_rows(
    reference: Rows, current: Rows, settings: CompareSettings, evidence: Sequence[Evidence]
) -> tuple[list[_Segment], BySegment]:
    name = settings.segment
    before = read_values(column_of("reference", reference, name))
    by_name = reference.named and current.named
    names = current.names if by_name else reference.names
    after = read_values(column_of("current", replace(current, names=names), name))
    check_values(before, name, reference.rows)
    deffs = {each.name: each.deff for each in evidence}
    wanted = replace(settings, drop=(*settings.drop, name), time_column="")
    if settings.time_column:
        wanted = replace(wanted, drop=(*wanted.drop, settings.time_column))

    def segment(value: str) -> _Segment:
        rows = before.of(value), after.of(value)

        def look() -> list[Evidence]:
            sides = _taken(reference, rows[0]), _taken(current, rows[1])
            return [pair.evidence() for pair in against_rows(*sides, wanted, deffs)[0]]

        return _Segment(value, rows[0].size, rows[1].size, look)

    values = before.texts[:MAXIMUM]
    times = dict(zip(before.texts, before.rows.tolist(), strict=True))
    rest = _rest(name, values, after, times, before.missing)
    return [segment(value) for value in values], rest


def _of_profile(
    profile: ReferenceProfile, current: Rows, settings: CompareSettings
) -> tuple[list[_Segment], BySegment]:
    name, segments = settings.segment, profile.segments
    if segments is None or segments.name != name:
        got = "built without segments" if segments is None else f"built by {segments.name!r}"
        raise ValueError(
            f"segment: got {name!r} from the argument, and a reference file that was {got}; "
            f"expected the column that it was built by. Build it again with --segment {name}, or "
            "compare with the rows of the reference."
        )
    column = current.columns[segments.position] if not (profile.named and current.named) else (
        column_of("current", current, name)
    )  # fmt: skip
    after = read_values(column)
    hashed = [hash64(value) for value in after.texts]
    places = {code: place for place, code in enumerate(segments.hashes.tolist())}
    at = np.array([places.get(code, -1) for code in hashed], np.intp)
    segment_of = np.where(after.places < 0, -1, at[after.places] if at.size else -1)
    parts = [f.by_segment for f in profile.features if f.by_segment is not None]
    sizes = np.max([part.sum(axis=1) for part in parts], axis=0)
    of = next((f for f in profile.features if f.name == name), None)
    times: dict[str, int | None] = {}
    if isinstance(of, CategoricalFeature):
        counts = of.known.tolist() if of.known_counts is None else of.known_counts.tolist()
        seen = dict(zip(of.known.tolist(), counts, strict=True))
        exact = of.known_counts is not None
        times = {
            value: seen[code] if exact else None
            for value, code in zip(after.texts, hashed, strict=True)
            if code in seen or of.high_cardinality
        }
    else:  # numbers: what the reference had is not known
        times = dict.fromkeys(after.texts)

    def segment(place: int, value: str) -> _Segment:
        rows = np.flatnonzero(segment_of == place)

        def look() -> list[Evidence]:
            found = against_profile(profile, _taken(current, rows), settings, place)
            return [pair.evidence() for pair in found[0]]

        return _Segment(value, int(sizes[place]), rows.size, look)

    taken = [value for value, code in zip(after.texts, hashed, strict=True) if code in places]
    rest = _rest(name, taken, after, times, None)
    return [segment(place, value) for place, value in enumerate(segments.texts)], rest


def _rest(
    name: str,
    segments: Sequence[str],
    current: Values,
    reference: dict[str, int] | dict[str, int | None],
    missing: int | None,
) -> BySegment:
    """Return what is in no segment: values that the reference has too, and new ones."""
    now = dict(zip(current.texts, current.rows.tolist(), strict=True))
    others = [
        OtherValue(value, rows, now.get(value, 0))
        for value, rows in reference.items()
        if value not in segments
    ]
    new = [OtherValue(value, 0, rows) for value, rows in now.items()
           if value not in reference and value not in segments]  # fmt: skip
    left_out = max(0, len(others) - _NAMED) + max(0, len(new) - _NAMED)
    return BySegment(
        name, (), tuple(others[:_NAMED]), tuple(new[:_NAMED]), left_out, (missing, current.missing)
    )


def _taken(rows: Rows, at: Places) -> Rows:
    """Return some of the rows."""
    columns = tuple(
        column.gather(at) if hasattr(column, "gather") else column.take(at)  # polars, or any other
        for column in rows.columns
    )
    return replace(rows, columns=columns, rows=at.size)
