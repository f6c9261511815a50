"""Exports that were given up are counted, and the counts go where all counts go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tidegauge import forking, standing, unsent
from tidegauge.producer import Producer
from tidegauge_semconv import metrics

NAME = metrics.TIDEGAUGE_EXPORT_FAILURES.name


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    unsent.reset()
    yield
    unsent.reset()


def test_causes_are_told_apart_and_bounded() -> None:
    """Whatever an exporter makes up as causes, memory and series stay bounded."""
    unsent.count("datadog.refused")
    unsent.count("datadog.refused", 2)
    for i in range(100):
        unsent.count(f"made.up.{i}")
    counts = unsent.counts()
    assert (3, 51, 51) == (counts["datadog.refused"], len(counts), counts["other"])


def test_they_are_a_counter_of_the_process(core: Any) -> None:
    """One series a cause."""
    core.model().predict([[1.0]])
    unsent.count("datadog.full", 4)
    scope: Any = Producer().produce()
    found = {
        point.attributes["cause"]: point.value
        for metric in scope.metrics
        if metric.name == NAME
        for point in metric.data.data_points
    }
    assert {"datadog.full": 4} == found


def test_a_group_hears_of_them(several: Any) -> None:
    """Whoever is asked answers with what others could not send, though they predict no more."""
    here = several.be(several.process())
    several.core.model().predict([[1.0]])
    here.tick(0.0)
    standing.write_down()
    unsent.count("datadog.full")
    standing.write_down()
    several.be(several.process(predicts=False))
    found = several.told(Producer(pulled=True))
    assert 1 == found[NAME, "datadog.full"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_forked_child_starts_from_zero(core: Any) -> None:
    """The parent's stay the parent's."""
    unsent.count("datadog.full")
    forking._after_in_child()
    assert {} == unsent.counts()
