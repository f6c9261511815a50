"""The offline report: two tables in, a verdict and its evidence for every feature out."""

from __future__ import annotations

from tidegauge_drift.report.compare import compare
from tidegauge_drift.report.options import CompareSettings
from tidegauge_drift.report.result import DriftReport, FeatureReport

__all__ = ["CompareSettings", "DriftReport", "FeatureReport", "compare"]
