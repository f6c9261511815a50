"""The textbook's rules, as they stand: no level that knows how many tests are made, no dependence.

They alarm on clean rows; whoever asks for them wants numbers that others have too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.bins import in_bins, reference_in_bins
from tidegauge_drift.distances import smoothed
from tidegauge_drift.divergence import kl_divergence_from_counts
from tidegauge_drift.judge import MINIMUM_ROWS, Finding
from tidegauge_drift.ks import ks_from_counts
from tidegauge_drift.psi import psi_from_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.layout import Layout

PSI, KS, KL = "psi", "ks.p_value", "kl.divergence"
# At or above, below, above: the limits in common use.
PSI_LIMIT, P_LIMIT, KL_LIMIT = 0.2, 0.05, 0.1
#: What each rule says, by the name of its statistic.
RULES = {PSI: f"PSI >= {PSI_LIMIT}", KS: f"KS p < {P_LIMIT}", KL: f"KL > {KL_LIMIT}"}


def judge_classic(
    layout: Layout, i: int, current: NDArray[np.int64], wide: NDArray[np.generic] | None
) -> Finding:
    """Compare one feature's values by the rules.

    A season is not looked at. Categories have no KS, and PSI on their own bins. Fewer rows with a
    value than ``MINIMUM_ROWS``, or a reference without any, are no finding.

    Parameters
    ----------
    layout : Layout
        The reference.
    i : int
        Which of its features and outputs.
    current : ndarray of int64
        Counts of the rows on the feature's cells, those without a value last.
    wide : ndarray or None
        Counts on bins of equal width, which a number's PSI is computed on.

    Raises
    ------
    ValueError
        There are no counts on bins of equal width, and the feature is a number.
    """
    slot = layout.slots[i]
    place = slice(slot.start, slot.stop)
    reference, bins = layout.counts[place].astype(np.int64), layout.bins[place][:-2]
    if not current.any():
        return Finding(0, reason="missing")
    p, q = (side[1:-3] if slot.numeric else side[:-2] for side in (reference, current))
    rows = int(q.sum())
    if rows < MINIMUM_ROWS or not p.any():
        return Finding(rows, float(rows), reason="rows")
    kl = kl_divergence_from_counts(*smoothed(slot, reference, current, 1.0))
    found = Finding(rows, float(rows), kl=kl)
    if slot.numeric:
        if wide is None:
            raise ValueError("wide")
        ks = ks_from_counts(p, q)
        psi = psi_from_counts(layout.wide[i], wide)
        found = replace(found, psi=psi, ks=ks.statistic, p_value=ks.p_value)
    else:
        both = reference_in_bins(slot, reference[:-2], bins), in_bins(current[:-2], bins)
        found = replace(found, psi=psi_from_counts(*both))
    return replace(found, effect=_effect(found, float(p.sum())), rules=_rules(found))


def _rules(finding: Finding) -> tuple[str, ...]:
    values = _values(finding)
    fired = {
        PSI: values[PSI] >= PSI_LIMIT, KL: values[KL] > KL_LIMIT,
        KS: KS in values and values[KS] < P_LIMIT,
    }  # fmt: skip
    return tuple(rule for rule in RULES if fired[rule])


def _values(finding: Finding) -> dict[str, float]:
    """Return the value that each rule looks at, by its name."""
    pairs = ((PSI, finding.psi), (KS, finding.p_value), (KL, finding.kl))
    return {name: value for name, value in pairs if value is not None}


def _effect(finding: Finding, reference_rows: float) -> float:
    """Return how far the value that is largest for its limit lies above it: 1 is at the limit."""
    from scipy import special  # noqa: PLC0415 - slow to import; only the first verdict pays

    found = [(finding.psi or 0.0) / PSI_LIMIT, (finding.kl or 0.0) / KL_LIMIT]
    if finding.ks is not None:
        scale = np.sqrt(finding.rows * reference_rows / (finding.rows + reference_rows))
        found.append(float(finding.ks * scale / special.kolmogi(P_LIMIT)))
    return max(found)


def leading(finding: Finding) -> tuple[str, float, float]:
    """Return the first rule that has fired, its value and its limit; PSI where none has."""
    values: dict[str, Any] = _values(finding)
    rule = finding.rules[0] if finding.rules else PSI
    return rule, values[rule], {PSI: PSI_LIMIT, KS: P_LIMIT, KL: KL_LIMIT}[rule]
