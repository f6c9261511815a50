"""What doctor knows of a model's series."""

from __future__ import annotations

from tidegauge.series import ModelSeries


def test_drift_has_a_budget_and_features_have_a_limit() -> None:
    """Two for the reference, some for each window and each feature; never above the budget."""
    model = ModelSeries(
        "m.reference.json", 10, 2, windows=2, of_window=10, of_feature=5, features=30, budget=150
    )
    assert [22, 72, 150, 150] == [model.drift(most) for most in (0, 10, 30, None)]


def test_without_a_reference_there_is_no_drift() -> None:
    """Counters and histograms are there all the same."""
    assert 0 == ModelSeries("", 10, 2).drift()
