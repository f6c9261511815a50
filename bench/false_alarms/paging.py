"""The live verdict on clean rows: how often does its alarm begin, and how late on moved ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from counting import Counting, Dependent, summed
from population import frame, inputs, outputs
from sieve import Sieve
from tidegauge.batch import ModelKey
from tidegauge_drift import build
from tidegauge_drift import counting as building
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.pane import Pane
from tidegauge_drift.verdict import FAMILIES, WindowVerdict
from tidegauge_drift.window import ClosedWindow, Tumbler, WindowSpec
from tidegauge_drift.window_judge import judge, paging_levels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

PANE_S = 10
TIME = "time"
REFERENCES = (10_000, 1000)
SIZES = (300, 1000, 5000)
# Levels that are laxer than the product's, as if windows were so many times fewer in a month.
EASES = (1, 8, 64)
#: Streams are watched for long, or for short with all levels.
RULES = ("long", "levels")
# What takes longest in a build says how exact the cells are: no verdict looks at it.
building.worst_ks_error = lambda *_: 0.0
# Of the windows that the sieve holds back, the product judges one in so many too.
_AUDIT = 1000
# Shifted rows are followed for so many windows; later is never.
PATIENCE = 60
_STEP = 1000
# So few independent rows are drawn faster one by one than cell by cell.
_DIRECT = 1000


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows at a steady rate, independent or AR(1) in time."""

    rho: float
    rate: int

    @property
    def name(self) -> str:
        """Return what stands for it in the results."""
        return f"rho{self.rho:g} {self.rate}/s"

    @property
    def dear(self) -> bool:
        """Tell whether a window has so many dependent rows that a month of them is too many."""
        return self.rho > 0 and self.rate * PANE_S > max(SIZES)

    def cases(self, reference: int) -> list[Case]:
        """Return the windows that are cut of it; one where a pane has more rows than any."""
        sizes = SIZES if self.rate * PANE_S <= max(SIZES) else (1000,)
        return [Case(self.rho, self.rate, rows, reference) for rows in sizes]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: rows a second, rows of a window, of the reference, and AR(1)."""

    rho: float
    rate: int
    rows: int
    reference: int

    @property
    def name(self) -> str:
        """Return what stands for it in the results."""
        return f"rho{self.rho:g} {self.rate}/s n{self.rows} m{self.reference}"


@dataclass(frozen=True, slots=True)
class Shape:
    """A window as the product makes it at a steady rate."""

    spec: WindowSpec
    rows: int
    seconds: int
    a_month: float

    def window(self, counts: NDArray[Any]) -> ClosedWindow:
        """Return a closed window with these counts."""
        return ClosedWindow(self.spec, 0, self.seconds, self.rows, 1, 1, self.a_month, counts)


@lru_cache
def shape(case: Case) -> Shape:
    """Let the product's own windows tumble over panes of a steady rate."""
    spec = WindowSpec.parse(f"{case.rows}rows")
    tumbler = Tumbler(spec, PANE_S, 0)
    seen: list[ClosedWindow] = []
    index = 0
    while len(seen) < 3:
        counts = np.zeros(1, np.uint32)
        pane = Pane(ModelKey("m"), "", "", index, PANE_S, counts, case.rate * PANE_S, 1, 1)
        seen += tumbler.fold(pane)
        index += 1
    last = seen[-1]
    return Shape(spec, last.rows, last.closed_s - last.opened_s, last.a_month)


class Model:
    """A reference that was drawn for it alone, and where rows fall in it."""

    def __init__(self, rho: float, rows: int, model: int) -> None:
        rng = np.random.default_rng((7, round(100 * rho), rows, model))
        known, scored = (frame(rng, columns, rho, rows) for columns in (inputs(), outputs()))
        if rho:  # independent rows come without times: nothing is known of their order
            known[TIME] = scored[TIME] = np.arange(rows, dtype=np.float64)
        self.layout = Layout(build(known, outputs=scored, time_column=TIME if rho else ""))
        self.counting = Counting(self.layout, inputs(), outputs())


@lru_cache(maxsize=len(REFERENCES))
def drawn(rho: float, rows: int, model: int) -> Model:
    """Return a model; what differs in the rows that are compared with it only shares it."""
    return Model(rho, rows, model)


class Watch:
    """The verdicts of one model's windows in order, and what is counted of them."""

    def __init__(self, layout: Layout, made: Shape, rng: np.random.Generator) -> None:
        self._layout, self._made, self._rng = layout, made, rng
        levels = paging_levels(made.window(layout.counts), layout, 1)
        self._sieve = Sieve(layout, levels)
        self._calm: WindowVerdict | None = None
        self._alarms = True
        self.previous: WindowVerdict | None = None
        slots = len(layout.slots)
        self.flags = {"values": np.zeros(slots, np.int64), "quality": np.zeros(slots, np.int64)}
        self.onsets = dict.fromkeys(FAMILIES, 0)
        self.judged = self.audited = self.mismatches = self.windows = 0

    def take(self, counts: NDArray[np.int64]) -> Iterator[WindowVerdict]:
        """Judge the windows that could be flagged, in order, and yield what is said of them.

        Where nothing alarms, a window that flags nothing makes it all calm again.
        """
        passed = self._sieve.passes(counts)
        audit = self._rng.random(len(counts)) < 1 / _AUDIT
        self.windows += len(counts)
        for i in range(len(counts)):
            if passed[i] or self._alarms or self._calm is None:
                yield self._judge(counts[i])
                continue
            self.previous = self._calm
            if audit[i]:
                self.audited += 1
                if not is_calm(judge(self._made.window(counts[i]), self._layout, 1, None)):
                    raise SystemExit("the sieve held back a window that the product flags")

    def _judge(self, counts: NDArray[np.int64]) -> WindowVerdict:
        verdict = judge(self._made.window(counts), self._layout, 1, self.previous)
        before = self.previous
        self.judged += 1
        self.mismatches += verdict.mismatch and not (before and before.mismatch)
        self.flags["values"] += verdict.table["flagged"] > 0
        self.flags["quality"] += verdict.table["quality_flagged"] > 0
        was = {} if before is None else before.detected
        for family, alarm in verdict.detected.items():
            self.onsets[family] += alarm and not was.get(family, False)
        self.previous, self._alarms = verdict, any(verdict.detected.values())
        if is_calm(verdict):
            self._calm = verdict
        return verdict

    def result(self) -> dict[str, Any]:
        """Return what was counted; a share of undecided features is the last verdict's."""
        last = self.previous
        return {
            "windows": self.windows, "judged": self.judged, "audited": self.audited,
            "onsets": self.onsets, "mismatches": self.mismatches,
            "flags": {name: found.tolist() for name, found in self.flags.items()},
            "undecided": float((last.table["flagged"] < 0).mean()) if last else 0.0,
        }  # fmt: skip


class Ladder:
    """How often each feature is flagged at the product's level and at laxer ones.

    A laxer level is that of a model with so many times fewer windows in a month.
    """

    def __init__(self, layout: Layout, made: Shape) -> None:
        self._layout = layout
        self._steps = [replace(made, a_month=max(1.0, made.a_month / ease)) for ease in EASES]
        laxest = self._steps[-1]
        self._sieve = Sieve(layout, paging_levels(laxest.window(layout.counts), layout, 1))
        self._flags = np.zeros((len(EASES), 2 * len(layout.slots)), np.int64)

    def take(self, counts: NDArray[np.int64]) -> None:
        """Count what is flagged of windows, from the laxest level on as long as anything is."""
        for window in counts[self._sieve.passes(counts)]:
            for step in reversed(range(len(EASES))):
                made = self._steps[step]
                table = judge(made.window(window), self._layout, 1, None).table
                found = np.concatenate((table["flagged"], table["quality_flagged"])) > 0
                if not found.any():
                    break
                self._flags[step] += found

    def result(self) -> list[list[int]]:
        """Return the flags of each feature's values and quality, for each level."""
        found: list[list[int]] = self._flags.tolist()
        return found


def clean(stream: Stream, model: int, months: float, *, ladder: bool) -> dict[str, Any]:
    """Return how often alarms began in clean rows, for all windows that are cut of a stream."""
    models = [drawn(stream.rho, reference, model) for reference in REFERENCES]
    cases = [stream.cases(reference) for reference in REFERENCES]
    sizes = [shape(case).rows for case in cases[0]]
    base, whole = math.gcd(*sizes), math.lcm(*sizes)
    blocks = math.ceil(months * MONTH_S * stream.rate / whole) * whole // base
    rng = np.random.default_rng((11, round(100 * stream.rho), stream.rate, model, ladder))
    if stream.rho or base < _DIRECT:
        on = [each.counting for each in models]
        counted = Dependent(rng, stream.rho, on[0].columns).next(on, base, blocks)
    else:
        counted = [each.counting.independent(rng, base, blocks) for each in models]
    lines = []
    for each, counts, its in zip(models, counted, cases, strict=True):
        for case in its:
            made = shape(case)
            many = made.rows // base
            watch = Watch(each.layout, made, rng)
            steps = Ladder(each.layout, made) if ladder else None
            for start in range(0, blocks // many, _STEP):
                windows = summed(counts, many, start, min(start + _STEP, blocks // many))
                for _ in watch.take(windows):
                    pass
                if steps is not None:
                    steps.take(windows)
            line = {"case": case.name, **watch.result()}
            lines.append(line if steps is None else {**line, "ladder": steps.result()})
    return {
        "case": stream.name, "rule": RULES[ladder], "model": model, "lines": lines,
        "deff": [[slot.deff for slot in each.layout.slots] for each in models],
    }  # fmt: skip


def delay(case: Case, shifts: Sequence[float], model: int) -> dict[str, Any]:
    """Return after how many moved rows the alarm of the moved feature began, None for never.

    One window is clean, one is clean up to a random row of it, all others are moved.
    """
    rng = np.random.default_rng((13, round(case.rho * 100), case.rate, case.rows, case.reference,
                                 model))  # fmt: skip
    found = {str(shift): _delay(rng, case, model, shift) for shift in shifts}
    return {"case": case.name, "model": model, "rows": found}


def _delay(rng: np.random.Generator, case: Case, model: int, shift: float) -> int | None:
    made = shape(case)
    each = drawn(case.rho, case.reference, model)
    before = int(rng.integers(made.rows))
    watch = Watch(each.layout, made, rng)
    for index, counts in enumerate(_shifted(rng, case, each.counting, shift, before)):
        for verdict in watch.take(counts[None]):
            if index and verdict.features[0].run.detected:
                return index * made.rows - before
    return None


def _shifted(
    rng: np.random.Generator, case: Case, on: Counting, shift: float, before: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of a window, of one that moves after some rows, and of moved ones."""
    rows = shape(case).rows
    parts = [(rows, 0.0), (before, 0.0), (rows - before, shift)]
    parts += [(rows, shift)] * (PATIENCE - 2)
    if case.rho:
        series = Dependent(rng, case.rho, on.columns)
        drawn_parts = (series.next([on], size, 1, moved)[0][0] for size, moved in parts)
    else:
        drawn_parts = (on.independent(rng, size, 1, moved)[0] for size, moved in parts)
    counted = (part.astype(np.int64) for part in drawn_parts)
    yield next(counted)
    yield next(counted) + next(counted)
    yield from counted


def is_calm(verdict: WindowVerdict) -> bool:
    """Tell whether nothing of it is flagged, was flagged, or alarms."""
    table = verdict.table
    names = ("flagged", "before", "detected")
    return not verdict.mismatch and not any(
        (table[f"{prefix}{name}"] > 0).any() for prefix in ("", "quality_") for name in names
    )
