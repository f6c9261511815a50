"""One numeric feature: two samples of numbers compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tidegauge_drift.block import Slot
from tidegauge_drift.chi_square import ChiSquareResult, chi_square_from_counts
from tidegauge_drift.divergence import hellinger_distance, js_distance, kl_divergence
from tidegauge_drift.edges import count, quantiles
from tidegauge_drift.grid import ATOM, atoms
from tidegauge_drift.judge import EXPECTED, judge_quality
from tidegauge_drift.ks import KsResult, ks, ks_p_value
from tidegauge_drift.psi import psi, psi_from_counts
from tidegauge_drift.report.evidence import (
    Evidence,
    Share,
    Test,
    chi_square_statistic,
    largest_effect,
    psi_bins,
    statistic,
    too_few,
)
from tidegauge_drift.report.result import NUMERIC, Histogram, Statistic, Summary
from tidegauge_drift.report.words import number
from tidegauge_drift.wasserstein import wasserstein_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.counts import Counts
    from tidegauge_drift.grid import Floats

_TENTHS = 10
# Up to so many values a column of numbers may be classes: the share of each is looked at.
_CLASSES = 20
_DISPLAY_BINS = 40
_NARROWEST = 1e-290  # of what can be divided into bins and drawn
_EXACT = 2.0**50  # halves of whole numbers below it are numbers of their own
_DIGITS = 4  # of the edges between bins, if so few tell them apart
# What is shown of a distribution: without the last half percent at each end of either side.
_BULK = (0.005, 0.995)


class Numbers(NamedTuple):
    """A column of numbers: finite values ascending, and how many rows hold none."""

    values: Floats
    missing: int
    type_errors: int
    infinite: tuple[int, int]

    @property
    def rows(self) -> int:
        """All rows."""
        return self.values.size + self.missing + self.type_errors + sum(self.infinite)


def read_numbers(values: Floats, errors: int) -> Numbers:
    """Return a column of float64; values that were no numbers are NaN in it, as missing ones."""
    below, above = int((values == -np.inf).sum()), int((values == np.inf).sum())
    missing = int(np.isnan(values).sum()) - errors
    return Numbers(np.sort(values[np.isfinite(values)]), missing, errors, (below, above))


class Measured(NamedTuple):
    """What the test and the statistics both need, of two samples that have values."""

    ks: KsResult
    inner: Floats
    binned: tuple[Counts, Counts]
    pearson: ChiSquareResult


def _measure(reference: Floats, current: Floats, deff: float) -> Measured:
    found = ks(reference, current)
    p_value = ks_p_value(found.statistic, current.size / deff, reference.size / deff)
    inner = quantiles(reference, _TENTHS)
    p, q = count(reference, inner), count(current, inner)
    pearson = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=deff)
    return Measured(KsResult(found.statistic, p_value), inner, (p, q), pearson)


def numeric_test(
    reference: Floats, current: Floats, deff: float = 1.0, measured: Measured | None = None
) -> Test:
    """Test two ascending samples: twice the smaller p-value of KS and of Pearson on ten quantiles.

    Counts are divided by ``deff``. The effect is the largest of the changes that have a floor.
    """
    reason = too_few(reference.size, current.size, deff)
    if reason:
        return Test(reason=reason)
    distance, _, binned, pearson = measured or _measure(reference, current, deff)
    p_value = min(1.0, 2 * min(distance.p_value, pearson.p_value))
    shares = _value_shares(reference, current)
    size = psi_from_counts(*binned)
    return Test(p_value, *largest_effect(*binned, size, ks=distance.statistic, shares=shares))


def _value_shares(reference: Floats, current: Floats) -> list[tuple[float, float]]:
    """Return the shares of single values that are frequent, or of all if they may be classes."""
    frequent = np.union1d(atoms(reference, ATOM), atoms(current, ATOM))
    if frequent.size:
        distinct = np.union1d(_few(reference), _few(current))
        frequent = distinct if distinct.size <= _CLASSES else frequent
    p, q = (
        (np.searchsorted(s, frequent, "right") - np.searchsorted(s, frequent)) / s.size
        for s in (reference, current)
    )
    return list(zip(p.tolist(), q.tolist(), strict=True))


def _few(values: Floats) -> Floats:
    """Return the distinct values, or the first ones if they are many."""
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    return values[starts[: _CLASSES + 1]]


def compare_numbers(
    name: str, family: str, reference: Numbers, current: Numbers, deff: float
) -> Evidence:
    """Return everything about two columns of numbers."""
    p, q = reference.values, current.values
    measured = _measure(p, q, deff) if p.size and q.size else None
    return Evidence(
        name, family, NUMERIC, numeric_test(p, q, deff, measured),
        summarise(reference), summarise(current), (p.size / deff, q.size / deff),
        _statistics(p, q, measured) if measured else {},
        number_shares(name, reference, current, deff),
        psi_bins(bin_labels(measured.inner), *measured.binned) if measured else (),
        histogram(p, q) if measured else None, deff,
    )  # fmt: skip


def _statistics(p: Floats, q: Floats, measured: Measured) -> dict[str, Statistic]:
    distance, _, binned, pearson = measured
    return {
        "psi": statistic(lambda: psi_from_counts(*binned)),
        "psi_equal_width": statistic(lambda: psi(p, q)),
        "ks": Statistic(distance.statistic, p_value=distance.p_value),
        "kl_divergence": statistic(lambda: kl_divergence(p, q)),
        "js_distance": statistic(lambda: js_distance(p, q)),
        "hellinger_distance": statistic(lambda: hellinger_distance(p, q)),
        "wasserstein_distance": statistic(lambda: wasserstein_distance(p, q)),
        "wasserstein_in_sd": statistic(lambda: wasserstein_distance(p, q, standardise=True)),
        "chi_square": chi_square_statistic(pearson),
    }


def number_shares(
    name: str, reference: Numbers, current: Numbers, deff: float
) -> tuple[Share, ...]:
    """Return the shares of missing, out-of-range and ill-typed values of both sides."""
    p, q = reference.values, current.values
    low, high = (float(p[0]), float(p[-1])) if p.size else (-np.inf, np.inf)
    below = int(np.searchsorted(q, low))
    above = int(q.size - np.searchsorted(q, high, "right"))
    ref, cur = _outside(reference, 0, 0), _outside(current, below, above)
    slot = Slot(name, "", True, 0, ref.size)
    of = {
        "missing": reference.missing / max(1, reference.rows),
        "type_error": reference.type_errors / max(1, reference.rows),
        "out_of_range": float(sum(reference.infinite) / max(1, ref[:-2].sum())),
    }
    found = judge_quality(slot, ref, cur, deff)
    return tuple(Share(of[check.name], check) for check in found.checks)


def _outside(side: Numbers, below: int, above: int) -> NDArray[Any]:
    """Return counts in the order of a numeric feature's cells, with a single one inside."""
    inside = side.values.size - below - above
    ends = side.infinite
    return np.array([ends[0], below, inside, above, ends[1], side.missing, side.type_errors])


def summarise(column: Numbers) -> Summary:
    """Return moments and quartiles, None where they are beyond float64."""
    values = column.values
    counts = column.rows, values.size, column.missing, sum(column.infinite), column.type_errors
    if not values.size:
        return Summary(*counts)
    with np.errstate(all="ignore"):
        quartiles = np.quantile(values, (0.25, 0.5, 0.75))
        moments = known(values.mean()), known(values.std())
    q1, median, q3 = map(known, quartiles)
    low, high = float(values[0]), float(values[-1])
    return Summary(*counts, *moments, low, q1, median, q3, high)


def known(value: float | np.floating[Any]) -> float | None:
    """Return a number that is one, None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None


def texts(values: Floats) -> dict[float, str]:
    """Return numbers as text, with as many digits as tell them apart."""
    found: dict[float, str] = {}
    distinct = np.unique(values[np.isfinite(values)]).tolist()
    for digits in range(_DIGITS, 18):
        found = {value: number(value, digits) for value in distinct}
        if len(set(found.values())) == len(found):
            break
    return found


def bin_labels(inner: Floats) -> list[str]:
    """Return what the bins between these edges hold, with as many digits as tell them apart."""
    if inner.size == 0:
        return ["all values"]
    with np.errstate(over="ignore"):  # the largest float has no next one
        single = np.nextafter(inner[:-1], np.inf) == inner[1:]
    text = dict(zip(inner.tolist(), map(str, inner.tolist()), strict=True))
    text |= texts(inner[np.concatenate(([True], ~single))])
    after = dict(zip(inner[1:][single].tolist(), inner[:-1][single].tolist(), strict=True))
    labels = [f"below {text[float(inner[0])]}"]
    for left, right, alone in zip(inner[:-1].tolist(), inner[1:].tolist(), single, strict=True):
        if alone:
            labels.append(f"exactly {text[left]}")
        elif left in after:
            labels.append(f"above {text[after[left]]} to {text[right]}")
        else:
            labels.append(f"{text[left]} to {text[right]}")
    last = float(inner[-1])
    labels.append(f"above {text[after[last]]}" if last in after else f"{text[last]} and above")
    return labels


def histogram(p: Floats, q: Floats) -> Histogram | None:
    """Return shares on bins of equal width over the bulk of both sides; None if it has no width."""
    edges = display_edges(p, q)
    if edges is None:
        return None
    sides = []
    for values in (p, q):
        cut = np.searchsorted(values, edges[:-1]).tolist()
        cut.append(int(np.searchsorted(values, edges[-1], "right")))
        inside = np.diff(cut) / values.size
        sides.append((inside.tolist(), cut[0] / values.size, 1 - cut[-1] / values.size))
    (a, a_low, a_high), (b, b_low, b_high) = sides
    return Histogram(tuple(edges.tolist()), tuple(a), tuple(b), (a_low, b_low), (a_high, b_high))


def display_edges(p: Floats, q: Floats) -> Floats | None:
    """Return the bins that are shown: about 40, each with as many whole numbers as another."""
    with np.errstate(all="ignore"):
        ends = np.array([np.quantile(side, _BULK) for side in (p, q)])
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        if not np.isfinite(high - low) or 0 < high - low < _NARROWEST:
            return None
        if high - low <= 0:  # a constant: its neighbourhood
            step = abs(low) * 0.05 or 1.0
            low, high = low - step, high + step
        exact = max(-low, high) < _EXACT
        if exact and bool((p == np.rint(p)).all()) and bool((q == np.rint(q)).all()):
            step = max(
                1.0, np.ceil((high - low) / _DISPLAY_BINS)
            )  # whole bins: none has more values
            edges = np.arange(np.floor(low), np.ceil(high) + 1 + step, step) - 0.5
        else:
            edges = low + (high - low) * np.arange(_DISPLAY_BINS + 1) / _DISPLAY_BINS
    kept = np.unique(edges[np.isfinite(edges)])
    return kept if kept.size > 1 else None
