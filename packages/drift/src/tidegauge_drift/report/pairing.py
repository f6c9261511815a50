"""Which current column is which feature of the reference, and how the two are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tidegauge import guard
from tidegauge.features import chosen

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.columns import BOOLEAN, ODD, TEXT, TIME, UNITS, Part, read
from tidegauge_drift.dependence import FEWEST_BLOCKS, cautious, design_effect
from tidegauge_drift.layout import Layout
from tidegauge_drift.matching import ABSENT
from tidegauge_drift.profile import ReferenceProfile
from tidegauge_drift.report.categorical import compare_categories
from tidegauge_drift.report.evidence import Evidence, Test
from tidegauge_drift.report.numeric import compare_numbers, read_numbers
from tidegauge_drift.report.options import CompareSettings
from tidegauge_drift.report.profiled import compare_profiled
from tidegauge_drift.report.result import UNKNOWN
from tidegauge_drift.report.tables import (
    Rows,
    categories,
    counts_rows,
    hours_of,
    in_single,
    in_time_order,
    is_single,
    numbers,
)
from tidegauge_drift.wanted import Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Order: TypeAlias = NDArray[np.intp] | None


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One feature to compare, or the reason why it is not; ``columns`` are both sides' rows."""

    name: str
    family: str
    look: Callable[[], Evidence]
    reason: str = ""
    columns: tuple[Any, Any] | None = None

    def evidence(self) -> Evidence:
        """Compare; whatever a feature's data does, the others go on."""
        if not self.reason:
            try:
                return self.look()
            except Exception as error:  # one broken column must not take the report with it
                guard.fault("drift.report", error)
                reason = f"could not be compared ({type(error).__name__})"
                return _nothing(self.name, self.family, reason)
        return _nothing(self.name, self.family, self.reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Time:
    """The order of the reference's rows in time, and a design effect that is known already."""

    order: Order
    deff: float | None


Found = tuple[list[Pair], tuple[str, ...], tuple[str, ...]]


def against_rows(
    reference: Rows,
    current: Rows,
    settings: CompareSettings,
    deffs: Mapping[str, float] | None = None,
) -> Found:
    """Pair columns by name, by position where a side has none.

    Without design effects by name they are measured, where the settings name a column of time.

    Raises
    ------
    ValueError
        They cannot be paired, or a column that the settings name is not there.
    """
    by_name = reference.named and current.named
    if not by_name and len(reference.names) != len(current.names):
        raise ValueError(_unmatched(len(reference.names), len(current.names)))
    names = reference.names if reference.named else current.names
    for name in settings.outputs:
        _present("outputs", name, names)
    for name in settings.drop:  # a label may be on one side only
        if name not in current.names:
            _present("drop", name, names)
    order = None
    if settings.time_column and deffs is None:
        _present("time_column", settings.time_column, names)
        order = in_time_order(reference.columns[names.index(settings.time_column)])
    place = {name: j for j, name in enumerate(current.names)}
    twice = reference.twice | (current.twice if by_name else set())
    pairs, missing = [], []
    aside = {*settings.drop, settings.time_column} if settings.time_column else {*settings.drop}
    for j, name in enumerate(names):
        if name in aside or not _wanted(name, settings):
            continue
        family = OUTPUTS if name in settings.outputs else INPUTS
        at = place.get(name, ABSENT) if by_name else j
        reason = ""
        if name in twice:
            reason = "several columns have this name"
        elif at == ABSENT:
            missing.append(name)
            reason = "the current rows have no such column"
        else:
            reason = _left_out(name, reference) or _left_out(current.names[at], current)
        columns = reference.columns[j], _at(current, at)
        time = _Time(order, None if deffs is None else deffs.get(name, 1.0))
        look = _rows_look(name, family, *columns, time)
        pairs.append(Pair(name, family, look, reason, columns))
    pairs = list({pair.name: pair for pair in pairs}.values())
    known = set(names) | aside
    additional = tuple(name for name in place if name not in known) if by_name else ()
    return pairs, tuple(missing), additional


def _left_out(name: str, rows: Rows) -> str:
    return rows.left_out.get(name, "")


def _at(rows: Rows, column: int) -> Any:
    return None if column == ABSENT else rows.columns[column]


def _wanted(name: str, settings: CompareSettings) -> bool:
    return name in settings.outputs or chosen(name, settings.include, settings.exclude)


def _rows_look(
    name: str, family: str, reference: Any, current: Any, time: _Time
) -> Callable[[], Evidence]:
    def look() -> Evidence:
        before = read(reference)
        if before.kind in (TIME, ODD):
            held = "times" if before.kind == TIME else "values that are no categories"
            return _nothing(name, family, f"left out: holds {held}")
        if before.kind in (TEXT, BOOLEAN):
            after = read(current, as_text=True)
            return _categories(name, family, before.values, after.values, time)
        single = is_single(reference) != is_single(current)
        return _numbers(name, family, before, read(current), time, single=single)

    return look


def _categories(
    name: str, family: str, reference: NDArray[Any], current: NDArray[Any], time: _Time
) -> Evidence:
    found = categories(reference)
    if found.names_rows:
        note = "left out: names rows: more than 90 % of its values are distinct"
        return _nothing(name, family, note)
    deff = time.deff
    if deff is None and time.order is not None:
        deff = _deff(categories(reference[time.order], ordered=True).codes)
    return compare_categories(name, family, found, categories(current), deff or 1.0)


def _numbers(
    name: str, family: str, reference: Part, current: Part, time: _Time, *, single: bool
) -> Evidence:
    unit = UNITS.get(reference.kind, "")
    before, errors = numbers(reference, unit)
    if counts_rows(before):
        return _nothing(name, family, "left out: counts the rows: integers that only rise")
    after, wrong = numbers(current, unit)
    if single:  # of one side only
        before, after = in_single(before), in_single(after)
    deff = time.deff
    if deff is None and time.order is not None:
        deff = _deff(before[time.order])
    return compare_numbers(
        name, family, read_numbers(before, errors), read_numbers(after, wrong), deff or 1.0
    )


def against_profile(
    profile: ReferenceProfile, current: Rows, settings: CompareSettings, segment: int | None = None
) -> Found:
    """Pair the features and outputs of a profile with columns; outputs come after the inputs.

    With the place of a segment they are compared with the reference's rows of it.

    Raises
    ------
    ValueError
        They cannot be paired, or the column of time is not there or holds no times.
    """
    layout = Layout(profile, Wanted(segments=segment is not None))
    named = profile.named and current.named
    width = profile.columns
    outputs = {feature.name for feature in profile.outputs}
    if not named and len(current.names) not in (width, width + len(outputs)):
        raise ValueError(_unmatched(width, len(current.names)))
    place = {name: j for j, name in enumerate(current.names)}
    aside = {*settings.drop, settings.time_column} if settings.time_column else {*settings.drop}
    hours = hours_of(current, settings.time_column) if profile.season else {}
    pairs, missing = [], []
    for i, feature in enumerate((*profile.features, *profile.outputs)):
        family = layout.slots[i].family
        name = feature.name
        at = place.get(name, ABSENT)
        if not named:
            at = feature.position + (width if family == OUTPUTS else 0)
            at = at if at < len(current.names) else ABSENT
        elif at == ABSENT and family == OUTPUTS:
            at = place.get(name.removesuffix(" (output)"), ABSENT)
        if name in aside or (family == INPUTS and not _wanted(name, settings)):
            continue
        reason = ""
        if named and name in current.twice:
            reason = "several columns have this name"
        elif at == ABSENT:
            missing.append(name)
            reason = "the current rows have no such column"
        else:
            reason = _left_out(current.names[at], current)
        look = partial(
            compare_profiled, layout, i, feature, _at(current, at), hours=hours, segment=segment
        )
        pairs.append(Pair(name, family, look, reason))
    known = {feature.name for feature in profile.features} | outputs | aside
    known |= {column.name for column in profile.left_out}
    additional = tuple(name for name in place if name not in known) if named else ()
    return pairs, tuple(missing), additional


def _deff(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    if finite.size < 2 * FEWEST_BLOCKS:
        return 1.0
    return cautious(design_effect(finite), finite.size)


def _nothing(name: str, family: str, reason: str) -> Evidence:
    return Evidence(name, family, UNKNOWN, Test(reason=reason))


def _present(option: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ValueError(
            f"{option}: got {name!r} from the argument; expected one of the reference's columns: "
            f"{', '.join(names[:20])}. Correct the name."
        )


def _unmatched(reference: int, current: int) -> str:
    return (
        f"current: got {current} columns from the argument; expected {reference}, as in the "
        "reference, because without names columns are matched by position. Name the columns."
    )
