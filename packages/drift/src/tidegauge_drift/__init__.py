"""Drift against a reference profile: counts in, verdicts out."""

from __future__ import annotations

from tidegauge_drift.chi_square import ChiSquareResult, chi_square_from_counts
from tidegauge_drift.ks import KsResult, ks_from_counts, ks_p_value
from tidegauge_drift.multiplicity import benjamini_hochberg, paging_alpha
from tidegauge_drift.proportions import cohens_h, two_proportion_p_value
from tidegauge_drift.psi import psi_from_counts

__all__ = [
    "ChiSquareResult",
    "KsResult",
    "benjamini_hochberg",
    "chi_square_from_counts",
    "cohens_h",
    "ks_from_counts",
    "ks_p_value",
    "paging_alpha",
    "psi_from_counts",
    "two_proportion_p_value",
]
