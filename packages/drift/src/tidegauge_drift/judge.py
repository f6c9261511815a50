"""One feature's counts against the reference's: statistics, p-value, effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.bins import in_bins, reference_in_bins
from tidegauge_drift.chi_square import chi_square_from_counts
from tidegauge_drift.ks import ks_from_counts
from tidegauge_drift.proportions import cohens_h, two_proportion_p_value
from tidegauge_drift.psi import psi_from_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.counts import Counts

# Effective rows below which there is no verdict, and below which PSI is noise.
MINIMUM_ROWS = 30
LOW_POWER_ROWS = 300
# Smaller changes are not worth waking anybody, however certain: floors of the effect.
FLOOR_DISTANCE = 0.05  # KS, or the largest change of a share
FLOOR_PSI = 0.02
FLOOR_H = 0.08  # 1 % against 2 %, or 50 % against 54 %
# Standard deviations: a category so far above what has a cell has it by right.
_LUCK = 4.0
# Pearson's test needs so many expected rows in a cell.
EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the counts of one feature say; values are None where there are too few rows.

    ``rows`` are those with a value. ``effect`` is in units of the floor: 1 and more is worth a
    word. ``reason`` says why there is no p-value: rows, dependent (enough rows that are worth too
    few), missing, sampling, season (no reference rows of these hours), week (no rows of the week
    before), live (too few of the live version), traffic (inputs differ from the live version's),
    fault. ``kl``, ``js`` and ``wasserstein`` are None where nobody wants them, too. ``rules`` are
    those of the classic mode that fired.
    """

    rows: int
    effective_rows: float = 0.0
    psi: float | None = None
    ks: float | None = None
    p_value: float | None = None
    effect: float = 0.0
    reason: str = ""
    kl: float | None = None
    js: float | None = None
    wasserstein: float | None = None
    rules: tuple[str, ...] = ()

    @property
    def low_power(self) -> bool:
        """Whether a change of half a standard deviation can be missed."""
        return self.effective_rows < LOW_POWER_ROWS


@dataclass(frozen=True, slots=True)
class Check:
    """One share against the reference's: missing, out_of_range, new_category or type_error."""

    name: str
    share: float
    p_value: float
    effect: float


@dataclass(frozen=True, slots=True)
class Shares:
    """The data-quality checks of one feature; none where there are too few rows."""

    rows: int
    checks: tuple[Check, ...] = ()


def judge_feature(
    slot: Slot,
    reference: NDArray[np.int64],
    current: NDArray[Any],
    bins: NDArray[np.uint8],
    deff: float,
) -> Finding:
    """Compare the values of one feature."""
    if not current.any():
        return Finding(0, reason="missing")
    reference, current = reference[:-2], current[:-2]
    rows = int(current.sum())
    effective = rows / deff
    if effective < MINIMUM_ROWS or not reference.any():
        few = rows < MINIMUM_ROWS or not reference.any()
        return Finding(rows, effective, reason="rows" if few else "dependent")
    p, q = reference_in_bins(slot, reference, bins[:-2]), in_bins(current, bins[:-2])
    if slot.numeric:
        found = _numeric(slot, (reference, current), (p, q), deff)
    else:
        cells = reference.astype(np.float64), current.astype(np.float64)
        found = _categorical(slot, cells, psi_from_counts(p, q), deff)
    # Few rows on this side are noise too, however many the window has.
    return found if reference.sum() >= LOW_POWER_ROWS else replace(found, psi=None)


def _numeric(
    slot: Slot,
    cells: tuple[NDArray[np.int64], NDArray[Any]],
    tenths: tuple[Counts, Counts],
    deff: float,
) -> Finding:
    rows = int(cells[1].sum())
    ks = ks_from_counts(*cells, deff=deff)
    p, q = tenths
    pearson = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=deff)
    psi = psi_from_counts(p, q)
    atoms = list(slot.atom_bins)
    effect = max(
        ks.statistic / FLOOR_DISTANCE,
        _effect(p, q, psi),
        _largest_h(p[atoms], q[atoms], p.sum(), q.sum()),
    )
    p_value = min(1.0, 2 * min(ks.p_value, pearson.p_value))
    return _shown(deff, Finding(rows, 0.0, psi, ks.statistic, p_value, effect))


def _categorical(slot: Slot, cells: tuple[Counts, Counts], psi: float, deff: float) -> Finding:
    rows = int(cells[1].sum())
    p, q = comparable_cells(slot, *cells, deff)
    chi = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=deff)
    effect = max(_effect(p, q, psi), _largest_h(p, q, p.sum(), q.sum()))
    return _shown(deff, Finding(rows, 0.0, psi, None, chi.p_value, effect))


def _shown(deff: float, finding: Finding) -> Finding:
    effective = finding.rows / deff
    psi = finding.psi if effective >= LOW_POWER_ROWS else None
    return replace(finding, effective_rows=effective, psi=psi)


def comparable_cells(
    slot: Slot, reference: Counts, current: Counts, deff: float
) -> tuple[Counts, Counts]:
    """Join categories that have a cell only by the luck of the reference with those that have none.

    The reference chose the cells: its own counts of those are too high, so that clean rows seem to
    move out of them. A category is tested if one that is as frequent, by the rows of both samples,
    would have been chosen anyway.
    """
    if slot.singletons == 0 and not reference[-2]:
        return reference, current
    by_luck = lucky(reference / deff, current / deff, deff)
    return _joined(reference, by_luck), _joined(current, by_luck)


def lucky(reference: Counts, current: Counts, deff: float) -> NDArray[np.bool_]:
    """Tell which categories may have a cell by luck; ``current`` may be many rows of counts."""
    cut = reference[:-2].min(initial=np.inf) if reference[-2] else 1 / deff
    part = reference.sum() / (reference.sum() + current.sum(axis=-1, keepdims=True))
    expected = (reference + current)[..., :-2] * part
    found: NDArray[np.bool_] = expected - _LUCK * np.sqrt(expected * (1 - part)) < cut
    return found


def _joined(counts: Counts, lucky: NDArray[np.bool_]) -> Counts:
    return np.append(counts[:-2][~lucky], counts[:-2][lucky].sum() + counts[-2:].sum())


def _effect(p: Counts, q: Counts, psi: float) -> float:
    largest = float(np.abs(p / p.sum() - q / q.sum()).max())
    return max(largest / FLOOR_DISTANCE, psi / FLOOR_PSI)


def _largest_h(p: Counts, q: Counts, m: float, n: float) -> float:
    pairs = zip(q, p, strict=True)
    return max((cohens_h(b / n, a / m) / FLOOR_H for b, a in pairs), default=0.0)


def judge_quality(
    slot: Slot, reference: NDArray[Any], current: NDArray[Any], deff: float
) -> Shares:
    """Compare the shares of missing, out-of-range, new and ill-typed values of one feature."""
    ref: list[float] = (reference / deff).tolist()
    cur: list[float] = (current / deff).tolist()
    m, n = sum(ref), sum(cur)
    rows = int(current.sum())
    if n < MINIMUM_ROWS or m == 0:
        return Shares(rows)
    checks = [
        _check("missing", (cur[-2], n), (ref[-2], m)),
        _check("type_error", (cur[-1], n), (ref[-1], m)),
    ]
    m, n = sum(ref[:-2]), sum(cur[:-2])
    if n >= MINIMUM_ROWS and m > 0:
        if slot.numeric:
            checks.append(_out_of_range((ref, m), (cur, n)))
        elif not slot.high_cardinality:
            expected = min(slot.singletons / deff, m)
            checks.append(_new_category(slot, (cur[-3], n), (expected, m)))
    return Shares(rows, tuple(checks))


def _new_category(
    slot: Slot, current: tuple[float, float], reference: tuple[float, float]
) -> Check:
    """Test whether more rows are of new categories than the reference leads one to expect.

    The share of singletons estimates that of new ones (Good and Turing), with a variance not of s
    but of s + 2 d rows for s singletons and d categories seen twice: so many fewer rows is the
    estimate worth. Fewer new ones than expected are no fault of the data.
    """
    once = max(1, slot.singletons)
    worth = once / (once + 2 * slot.doubletons)
    found = _check("new_category", current, (reference[0] * worth, reference[1] * worth))
    more = current[0] * reference[1] > reference[0] * current[1]
    return found if more else replace(found, p_value=1.0)


def _out_of_range(
    reference: tuple[list[float], float], current: tuple[list[float], float]
) -> Check:
    """Test each end by itself: the chance that the k extreme rows are all live ones is exact."""
    (ref, m), (cur, n) = reference, current
    low = _check("", (cur[0] + cur[1], n), (ref[0] + ref[1], m))
    high = _check("", (cur[-4] + cur[-3], n), (ref[-4] + ref[-3], m))
    share = min(1.0, low.share + high.share)
    before = min(1.0, (ref[0] + ref[1] + ref[-4] + ref[-3]) / m)
    p_value = min(1.0, 2 * min(low.p_value, high.p_value))
    return Check("out_of_range", share, p_value, cohens_h(share, before) / FLOOR_H)


def _check(name: str, current: tuple[float, float], reference: tuple[float, float]) -> Check:
    (k, n), (ref_k, m) = current, reference
    k, ref_k = min(k, n), min(ref_k, m)  # sums of fractions round
    p_value = two_proportion_p_value(k, n, ref_k, m)
    return Check(name, k / n, p_value, cohens_h(k / n, ref_k / m) / FLOOR_H)
