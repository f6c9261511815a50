"""One feature of categories: two counts of categories compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.bins import TOP_CATEGORIES
from tidegauge_drift.block import Slot
from tidegauge_drift.chi_square import chi_square_from_counts
from tidegauge_drift.divergence import (
    hellinger_distance_from_counts,
    js_distance_from_counts,
    kl_divergence_from_counts,
)
from tidegauge_drift.judge import EXPECTED, judge_quality
from tidegauge_drift.profile import KNOWN
from tidegauge_drift.psi import psi_from_counts
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
from tidegauge_drift.report.result import CATEGORICAL, Bin, Statistic, Summary

if TYPE_CHECKING:
    from tidegauge_drift.counts import Counts
    from tidegauge_drift.report.tables import Categories

NO_NUMBERS = Statistic(None, "categories have no order and no distance")
REST, NEW = "other known ones", "new ones"


def categorical_test(reference: Categories, current: Categories, deff: float = 1.0) -> Test:
    """Test two columns of categories: Pearson's chi-square on the union, rare ones pooled.

    Counts are divided by ``deff``. The effect is the largest of the changes that have a floor.
    """
    reason = too_few(reference.values, current.values, deff)
    if reason:
        return Test(reason=reason)
    p, q = _union(reference, current)
    chi = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=deff)
    _, binned = _bins(reference, current)
    shares = zip((p / p.sum()).tolist(), (q / q.sum()).tolist(), strict=True)
    return Test(chi.p_value, *largest_effect(p, q, psi_from_counts(*binned), shares=shares))


def _union(reference: Categories, current: Categories) -> tuple[Counts, Counts]:
    union = sorted(reference.counts.keys() | current.counts.keys())
    p, q = (
        np.array([side.counts[key] for key in union], np.float64) for side in (reference, current)
    )
    return p, q


def compare_categories(
    name: str, family: str, reference: Categories, current: Categories, deff: float
) -> Evidence:
    """Return everything about two columns of categories."""
    statistics: dict[str, Statistic] = {}
    bins: tuple[Bin, ...] = ()
    if reference.values > 0 and current.values > 0:
        p, q = _union(reference, current)
        labels, binned = _bins(reference, current)
        chi = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=deff)
        statistics = {
            "psi": statistic(lambda: psi_from_counts(*binned)),
            "psi_equal_width": NO_NUMBERS,
            "ks": NO_NUMBERS,
            "kl_divergence": statistic(lambda: kl_divergence_from_counts(p, q)),
            "js_distance": statistic(lambda: js_distance_from_counts(p, q)),
            "hellinger_distance": statistic(lambda: hellinger_distance_from_counts(p, q)),
            "wasserstein_distance": NO_NUMBERS,
            "wasserstein_in_sd": NO_NUMBERS,
            "chi_square": chi_square_statistic(chi),
        }
        bins = psi_bins(labels, *binned)
    return Evidence(
        name, family, CATEGORICAL, categorical_test(reference, current, deff),
        summarise(reference), summarise(current),
        (reference.values / deff, current.values / deff), statistics,
        category_shares(name, reference, current, deff), bins, deff=deff,
    )  # fmt: skip


def _bins(reference: Categories, current: Categories) -> tuple[list[str], tuple[Counts, Counts]]:
    """Return the ten most frequent categories of the reference, its other ones, and new ones."""
    ranked = sorted(reference.counts.items(), key=lambda item: (-item[1], item[0]))
    top = [category for category, _ in ranked[:TOP_CATEGORIES]]
    sides = []
    for side in (reference, current):
        counts = [side.counts[category] for category in top]
        known = sum(
            times for category, times in side.counts.items() if category in reference.counts
        )
        sides.append([*counts, known - sum(counts), side.values - known])
    p, q = (np.array(side, np.float64) for side in sides)
    # As many rows of the reference would have been new as have a category of their own.
    p[-1] = min(float(_seen(reference, 1)), p[-2])
    p[-2] -= p[-1]
    return [*top, REST, NEW], (p, q)


def _seen(column: Categories, times: int) -> int:
    """Return how many categories were seen so often."""
    return sum(1 for found in column.counts.values() if found == times)


def category_shares(
    name: str, reference: Categories, current: Categories, deff: float
) -> tuple[Share, ...]:
    """Return the shares of missing, new and ill-typed values of both sides."""
    many = len(reference.counts) > KNOWN
    slot = Slot(
        name, "", False, 0, 5, singletons=_seen(reference, 1), doubletons=_seen(reference, 2),
        high_cardinality=many,
    )  # fmt: skip
    counts = []
    for side in (reference, current):
        known = sum(
            times for category, times in side.counts.items() if category in reference.counts
        )
        counts.append(np.array([known, 0, side.values - known, side.missing, side.type_errors]))
    of = {
        "missing": reference.missing / max(1, reference.rows),
        "type_error": reference.type_errors / max(1, reference.rows),
        "new_category": _seen(reference, 1) / max(1, reference.values),
    }
    found = judge_quality(slot, counts[0], counts[1], deff)
    return tuple(Share(of[check.name], check) for check in found.checks)


def summarise(column: Categories) -> Summary:
    """Return how many categories there are, and the most frequent ones."""
    top = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))[:TOP_CATEGORIES]
    return Summary(
        column.rows, column.values, column.missing, 0, column.type_errors,
        distinct=len(column.counts), top=tuple(top),
    )  # fmt: skip
