"""The live verdict on clean rows: how often does its alarm begin, and how late on moved ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from counting import Counting
from population import STEPS, Series, frame, inputs, outputs
from sieve import Sieve
from tidegauge.batch import ModelKey
from tidegauge_drift import build
from tidegauge_drift import counting as building
from tidegauge_drift.layout import Layout
from tidegauge_drift.pane import Pane
from tidegauge_drift.verdict import FAMILIES, WindowVerdict
from tidegauge_drift.window import ClosedWindow, Tumbler, WindowSpec
from tidegauge_drift.window_judge import judge, paging_levels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

PANE_S = 10
TIME = "time"
# What takes longest in a build says how exact the cells are: no verdict looks at it.
building.worst_ks_error = lambda *_: 0.0
# Of the windows that the sieve holds back, the product judges one in so many too.
_AUDIT = 1000
# Shifted rows are followed for so many windows; later is never.
PATIENCE = 60
_STEP = 1000


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
    """A reference that was drawn for it alone, and the counts of its windows."""

    def __init__(self, rho: float, rows: int, model: int) -> None:
        rng = np.random.default_rng((7, round(100 * rho), rows, model))
        features, scores = inputs(), outputs()
        series = Series(rng, len(features) + len(scores), rho)
        places = series.next(rows)
        known = frame(rng, features, places[: len(features)])
        scored = frame(rng, scores, places[len(features) :])
        if rho:  # independent rows come without times: nothing is known of their order
            known[TIME] = scored[TIME] = np.arange(rows, dtype=np.float64)
        time_column = TIME if rho else ""
        self.layout = Layout(build(known, outputs=scored, time_column=time_column))
        self.counting = Counting(self.layout, features, scores)
        self._rho = rho

    def shifted(
        self, rng: np.random.Generator, rows: int, shift: float, clean_rows: int
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the counts of windows whose first feature moves by ``shift`` standard deviations.

        It does so after one window and ``clean_rows`` rows.
        """
        series = Series(rng, len(self.counting.cells), self._rho)
        before = rows + clean_rows
        while True:
            places = series.next(rows)
            places[0, max(0, min(rows, before)) :] += round(shift * STEPS)
            before -= rows
            yield self.counting.count(rng, places, rows)[0]


@lru_cache(maxsize=1)
def reference(rho: float, rows: int, model: int) -> Model:
    """Return a model; the cases that differ in what is compared with it only share it."""
    return Model(rho, rows, model)


class Watch:
    """The verdicts of one model's windows in order, and what is counted of them."""

    def __init__(self, drawn: Model, made: Shape, kinds: int) -> None:
        self._drawn, self._made, self._kinds = drawn, made, kinds
        self._previous: WindowVerdict | None = None
        slots = len(drawn.layout.slots)
        self.flags = {"values": np.zeros(slots, np.int64), "quality": np.zeros(slots, np.int64)}
        self.onsets = dict.fromkeys(FAMILIES, 0)
        self.judged = self.mismatches = 0
        #: A calm verdict stays as it is over windows that flag nothing.
        self.calm = False

    def judge(self, counts: NDArray[np.int64]) -> WindowVerdict:
        """Judge a window after the one before."""
        window = self._made.window(counts)
        return judge(window, self._drawn.layout, self._kinds, self._previous)

    def take(self, counts: NDArray[np.int64]) -> None:
        """Judge the next window and count what it says."""
        verdict, before = self.judge(counts), self._previous
        self.judged += 1
        self.mismatches += verdict.mismatch and not (before and before.mismatch)
        self.flags["values"] += verdict.table["flagged"] > 0
        self.flags["quality"] += verdict.table["quality_flagged"] > 0
        was = {} if before is None else before.detected
        for family, alarm in verdict.detected.items():
            self.onsets[family] += alarm and not was.get(family, False)
        self._previous, self.calm = verdict, is_calm(verdict)

    @property
    def undecided(self) -> float:
        """The share of features that the last window said nothing of."""
        return (
            0.0 if self._previous is None else float((self._previous.table["flagged"] < 0).mean())
        )


def clean(case: Case, model: int, windows: int, kinds: int = 1) -> dict[str, Any]:
    """Return how often alarms began in so many windows of one model's clean rows."""
    made = shape(case)
    drawn = reference(case.rho, case.reference, model)
    rng = np.random.default_rng((11, *_key(case), model))
    watch = Watch(drawn, made, kinds)
    sieve = Sieve(drawn.layout)
    level = max(paging_levels(made.window(drawn.layout.counts), drawn.layout, kinds).values())
    audited = 0
    for start in range(0, windows, _STEP):
        some = min(_STEP, windows - start)
        counts = drawn.counting.windows(rng, case.rho, made.rows, some)
        passed = sieve.passes(counts, level)
        audit = rng.random(some) < 1 / _AUDIT
        for i, (passes, looked_at) in enumerate(zip(passed.tolist(), audit.tolist(), strict=True)):
            if passes or not watch.calm:
                watch.take(counts[i])
            elif looked_at:
                audited += 1
                if not is_calm(watch.judge(counts[i])):
                    raise SystemExit(f"{case.name}: the sieve held back a flagged window")
    return {
        "case": case.name, "model": model, "windows": windows, "judged": watch.judged,
        "audited": audited, "onsets": watch.onsets, "mismatches": watch.mismatches,
        "flags": {name: found.tolist() for name, found in watch.flags.items()},
        "undecided": watch.undecided, "deff": [slot.deff for slot in drawn.layout.slots],
    }  # fmt: skip


def delay(case: Case, shifts: Sequence[float], model: int, kinds: int = 1) -> dict[str, Any]:
    """Return after how many moved rows the alarm of the moved feature began, None for never.

    One window is clean, one is clean up to a random row of it, all others are moved.
    """
    made = shape(case)
    drawn = reference(case.rho, case.reference, model)
    rng = np.random.default_rng((13, *_key(case), model))
    found = {str(shift): _delay(rng, drawn, made, shift, kinds) for shift in shifts}
    return {"case": case.name, "model": model, "rows": found}


def _delay(
    rng: np.random.Generator, drawn: Model, made: Shape, shift: float, kinds: int
) -> int | None:
    clean_rows = int(rng.integers(made.rows))
    previous: WindowVerdict | None = None
    windows = drawn.shifted(rng, made.rows, shift, clean_rows)
    for index, counts in zip(range(PATIENCE), windows, strict=False):
        previous = judge(made.window(counts), drawn.layout, kinds, previous)
        if index and previous.features[0].run.detected:
            return index * made.rows - clean_rows
    return None


def _key(case: Case) -> tuple[int, ...]:
    return round(case.rho * 100), case.rate, case.rows, case.reference


def is_calm(verdict: WindowVerdict) -> bool:
    """Tell whether nothing of it is flagged, was flagged, or alarms."""
    table = verdict.table
    names = ("flagged", "before", "detected")
    return not verdict.mismatch and not any(
        (table[f"{prefix}{name}"] > 0).any() for prefix in ("", "quality_") for name in names
    )
