"""The live verdict on clean rows: how often does its alarm begin, and how late on moved ones."""

from __future__ import annotations

from dataclasses import dataclass
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
    from collections.abc import Iterator

    from numpy.typing import NDArray

PANE_S = 10
TIME = "time"
# What takes longest in a build says how exact the cells are: no verdict looks at it.
building.worst_ks_error = lambda *_: 0.0
# Of the windows that the sieve holds back, the product judges one in so many too.
_AUDIT = 200
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
    """A reference that was drawn for it alone, and its counts."""

    def __init__(self, case: Case, seed: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(seed)
        features, scores = inputs(), outputs()
        series = Series(self.rng, len(features) + len(scores), case.rho)
        places = series.next(case.reference)
        known = frame(self.rng, features, places[: len(features)])
        scored = frame(self.rng, scores, places[len(features) :])
        if case.rho:  # independent rows come without times: nothing is known of their order
            known[TIME] = scored[TIME] = np.arange(case.reference, dtype=np.float64)
        time_column = TIME if case.rho else ""
        self.layout = Layout(build(known, outputs=scored, time_column=time_column))
        self.counting = Counting(self.layout, features, scores)
        self._rho = case.rho

    def shifted(self, rows: int, shift: float, clean_rows: int) -> Iterator[NDArray[np.int64]]:
        """Yield the counts of windows whose first feature moves by ``shift`` standard deviations.

        It does so after one window and ``clean_rows`` rows.
        """
        series = Series(self.rng, len(self.counting.cells), self._rho)
        before = rows + clean_rows
        while True:
            places = series.next(rows)
            places[0, max(0, min(rows, before)) :] += round(shift * STEPS)
            before -= rows
            yield self.counting.count(self.rng, places, rows)[0]


def clean(case: Case, model: int, windows: int, kinds: int = 1) -> dict[str, Any]:
    """Return how often alarms began in so many windows of one model's clean rows."""
    made = shape(case)
    drawn = Model(case, (11, *_key(case), model))
    sieve = Sieve(drawn.layout)
    level = max(paging_levels(made.window(drawn.layout.counts), drawn.layout, kinds).values())
    previous: WindowVerdict | None = None
    tally = {"flagged": dict.fromkeys(FAMILIES, 0), "onsets": dict.fromkeys(FAMILIES, 0)}
    judged = audited = mismatches = 0
    for start in range(0, windows, _STEP):
        some = min(_STEP, windows - start)
        counts = drawn.counting.windows(drawn.rng, case.rho, made.rows, some)
        passed = sieve.passes(counts, level)
        audit = drawn.rng.random(some) < 1 / _AUDIT
        for i in range(some):
            # A calm verdict stays as it is over windows that flag nothing.
            calm = previous is not None and _calm(previous)
            if calm and not passed[i]:
                if audit[i]:
                    audited += 1
                    if not _calm(judge(made.window(counts[i]), drawn.layout, kinds, previous)):
                        raise SystemExit(f"{case.name}: the sieve held back a flagged window")
                continue
            verdict = judge(made.window(counts[i]), drawn.layout, kinds, previous)
            judged += 1
            mismatches += verdict.mismatch and not (previous and previous.mismatch)
            _add(tally, verdict, previous)
            previous = verdict
    assert previous is not None
    decided = [feature.flagged is not None for feature in previous.features]
    return {
        "case": case.name, "model": model, "windows": windows, "judged": judged, "audited": audited,
        **tally, "mismatches": mismatches, "undecided": 1 - float(np.mean(decided)),
        "deff": [slot.deff for slot in drawn.layout.slots],
    }  # fmt: skip


def delay(case: Case, shift: float, model: int, kinds: int = 1) -> dict[str, Any]:
    """Return after how many moved rows the alarm of one of the features began, None for never.

    One window is clean, one is clean up to a random row of it, all others are moved.
    """
    made = shape(case)
    drawn = Model(case, (13, *_key(case), round(100 * shift), model))
    clean_rows = int(drawn.rng.integers(made.rows))
    previous: WindowVerdict | None = None
    windows = drawn.shifted(made.rows, shift, clean_rows)
    for index, counts in zip(range(PATIENCE), windows, strict=False):
        previous = judge(made.window(counts), drawn.layout, kinds, previous)
        if index and previous.features[0].run.detected:
            return {"case": case.name, "shift": shift, "model": model,
                    "rows": index * made.rows - clean_rows}  # fmt: skip
    return {"case": case.name, "shift": shift, "model": model, "rows": None}


def _key(case: Case) -> tuple[int, ...]:
    return round(case.rho * 100), case.rate, case.rows, case.reference


def _calm(verdict: WindowVerdict) -> bool:
    """Tell whether nothing of it is flagged, was flagged, or alarms."""
    table = verdict.table
    names = ("flagged", "before", "detected")
    return not verdict.mismatch and not any(
        (table[f"{prefix}{name}"] > 0).any() for prefix in ("", "quality_") for name in names
    )


def _add(
    tally: dict[str, dict[str, int]], verdict: WindowVerdict, previous: WindowVerdict | None
) -> None:
    before = previous.detected if previous is not None else {}
    flags = dict.fromkeys(FAMILIES, False)
    for feature in verdict.features:
        flags[feature.family] |= feature.flagged is True
    flags["data_quality"] = any(quality.flagged is True for quality in verdict.quality)
    for family, alarm in verdict.detected.items():
        tally["onsets"][family] += alarm and not before.get(family, False)
    for family, flag in flags.items():
        tally["flagged"][family] += flag
