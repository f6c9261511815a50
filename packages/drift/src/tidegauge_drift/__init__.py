"""Drift against a reference profile: counts in, verdicts out."""

from __future__ import annotations

from tidegauge_drift.builder import build
from tidegauge_drift.chi_square import ChiSquareResult, chi_square, chi_square_from_counts
from tidegauge_drift.dependence import effective_sample_size
from tidegauge_drift.divergence import (
    hellinger_distance,
    hellinger_distance_from_counts,
    js_distance,
    js_distance_from_counts,
    kl_divergence,
    kl_divergence_from_counts,
)
from tidegauge_drift.files import build_file
from tidegauge_drift.ks import KsResult, ks, ks_from_counts, ks_p_value
from tidegauge_drift.merging import merge
from tidegauge_drift.multiplicity import benjamini_hochberg, paging_alpha
from tidegauge_drift.processor import DriftProcessor
from tidegauge_drift.profile import ProfileError, ReferenceProfile
from tidegauge_drift.proportions import cohens_h, two_proportion_p_value
from tidegauge_drift.psi import psi, psi_critical_value, psi_from_counts
from tidegauge_drift.report import CompareSettings, DriftReport, FeatureReport, compare
from tidegauge_drift.settings import DriftSettings
from tidegauge_drift.store import load, save
from tidegauge_drift.wasserstein import wasserstein_distance

__all__ = [
    "ChiSquareResult",
    "CompareSettings",
    "DriftProcessor",
    "DriftReport",
    "DriftSettings",
    "FeatureReport",
    "KsResult",
    "ProfileError",
    "ReferenceProfile",
    "benjamini_hochberg",
    "build",
    "build_file",
    "chi_square",
    "chi_square_from_counts",
    "cohens_h",
    "compare",
    "effective_sample_size",
    "hellinger_distance",
    "hellinger_distance_from_counts",
    "js_distance",
    "js_distance_from_counts",
    "kl_divergence",
    "kl_divergence_from_counts",
    "ks",
    "ks_from_counts",
    "ks_p_value",
    "load",
    "merge",
    "paging_alpha",
    "psi",
    "psi_critical_value",
    "psi_from_counts",
    "save",
    "two_proportion_p_value",
    "wasserstein_distance",
]
