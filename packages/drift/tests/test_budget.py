"""How many features have series."""

from __future__ import annotations

import pytest
from tidegauge_drift.export import budget


def test_the_budget_leaves_room_for_aggregates() -> None:
    """100 features fit the default 600 series; of 60 series 7 features are left."""
    export = ("psi", "ks.statistic", "detected")

    assert budget(600, 2, export) >= 100
    assert budget(60, 2, export) == 7
    assert budget(50, 4, ("psi",)) == 4


@pytest.mark.parametrize("max_series", [60, 100, 600, 2000])
@pytest.mark.parametrize("windows", [1, 2, 4])
def test_what_fits_the_budget_is_within_it(max_series: int, windows: int) -> None:
    """Aggregates and the chosen features together."""
    export = ("psi", "ks.statistic", "detected")
    aggregates, each = 2 + windows * 10, 5
    assert aggregates + each * budget(max_series, windows, export) <= max_series
    more = (*export, "kl.divergence", "js.distance", "wasserstein.distance", "data_quality")
    assert aggregates + (each + 7) * budget(max_series, windows, more) <= max_series
