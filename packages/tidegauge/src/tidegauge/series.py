"""How many series a model leads to: what ``tidegauge doctor`` knows, and asks exporters to price.

An exporter whose backend does not count series as Prometheus does says what it counts, by a
function in the entry point group ``tidegauge_series`` under the exporter's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

SERIES = "tidegauge_series"


@dataclass(frozen=True, slots=True)
class ModelSeries:
    """What one model with one operation exports at most.

    Parameters
    ----------
    reference : str
        The reference's file; empty where there is none, and so no drift.
    counters, histograms : int
        Of requests, latency and prediction values.
    windows : int
        Windows that are judged.
    of_window : int
        Gauges of a window, whatever its features.
    of_feature : int
        Gauges of a feature, beside those of windows.
    features : int
        Features and outputs that are watched.
    budget : int
        Gauges of drift at most.
    fleet : int
        Series of bins, beside the budget.
    """

    reference: str
    counters: int
    histograms: int
    windows: int = 0
    of_window: int = 0
    of_feature: int = 0
    features: int = 0
    budget: int = 0
    fleet: int = 0

    def drift(self, most_features: int | None = None) -> int:
        """Return the gauges of drift, of so many features at most."""
        if not self.reference:
            return 0
        shown = self.features if most_features is None else min(self.features, most_features)
        # Two more say which reference it is and how old.
        return min(
            2 + self.windows * self.of_window + shown * self.of_feature,
            self.budget,
        )


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """What a backend counts, for people: a title, columns and rows."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


#: What stands in the entry point group.
SeriesCounter: TypeAlias = Callable[[Sequence[ModelSeries]], SeriesTable]
