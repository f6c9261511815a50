"""Requests a second, and what a thousand cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tidegauge.sources import Moment
from tidegauge_resources.cost import CostSource


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, clock: Any) -> CostSource:
    """Provide a source of a machine that costs 7.20 an hour."""
    monkeypatch.setenv("TIDEGAUGE_COST_PER_HOUR", "7.2")
    return CostSource(clock)


def test_the_rate_is_true_from_the_first_reading(
    source: CostSource, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """A launch that is ten seconds old: all requests in all its seconds."""
    found = values(source.read(moment(m=(5.0, 200))))
    assert 20.0 == found["model.request.rate", "m", ""]
    # 20 requests a second are 72,000 an hour, for 7.20.
    assert pytest.approx(0.1) == found["model.cost.per_1k_requests", "m"]


def test_models_share_the_cost_by_their_time(
    source: CostSource, clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """One that takes three quarters of the time for a tenth of the requests is dear."""
    list(source.read(moment(age_s=1e6, cheap=(100.0, 5), dear=(0.0, 0))))
    clock.now_s += 30.0
    found = values(source.read(moment(age_s=1e6, cheap=(101.0, 905), dear=(3.0, 100))))
    costs = [found["model.cost.per_1k_requests", name] for name in ("cheap", "dear")]
    assert pytest.approx([7.2 * 0.25 / 120 / 0.9, 7.2 * 0.75 / 120 / 0.1]) == costs
    # What all requests of an hour cost is what the hour costs.
    rates = [found["model.request.rate", name, ""] for name in ("cheap", "dear")]
    total = sum(c * rate * 3.6 for c, rate in zip(costs, rates, strict=True))
    assert pytest.approx(7.2) == total


def test_a_model_that_nobody_asks_has_a_rate_of_zero_and_no_cost(
    source: CostSource, clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """Zero requests were counted; a thousand of them have no price."""
    list(source.read(moment(age_s=1e6, m=(1.0, 5))))
    clock.now_s += 30.0
    assert {("model.request.rate", "m", ""): 0.0} == values(
        source.read(moment(age_s=1e6, m=(1.0, 5)))
    )


def test_without_a_price_there_is_a_rate_alone(
    clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """Nobody guesses what a machine costs."""
    found = values(CostSource(clock).read(moment(m=(5.0, 200))))
    assert {("model.request.rate", "m", ""): 20.0} == found
