"""What the tests of resources share: a clock, a moment, values by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tidegauge import guard
from tidegauge.batch import ModelKey
from tidegauge.sources import ModelUse, Moment

START_S = 1_700_000_000.0


@dataclass
class Clock:
    """A clock that goes when it is told to; as monotonic ones do, it begins anywhere."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """Provide a clock that stands still."""
    return Clock()


@pytest.fixture(autouse=True)
def _own_faults() -> Iterable[None]:
    """Let each test begin without faults, and leave none."""
    guard.reset()
    yield
    guard.reset()


@pytest.fixture
def moment(clock: Clock) -> Callable[..., Moment]:
    """Return a moment of models by name, as (seconds, requests)."""
    began_s = clock.now_s

    def make(age_s: float = 10.0, **models: tuple[float, float]) -> Moment:
        now_s = START_S + clock.now_s - began_s
        return Moment(now_s, now_s - age_s, {ModelKey(n): ModelUse(*u) for n, u in models.items()})

    return make


@pytest.fixture
def values() -> Callable[[Iterable[Any]], Mapping[tuple[str, ...], float]]:
    """Return points as values by name and attributes."""

    def read(points: Iterable[Any]) -> dict[tuple[str, ...], float]:
        return {(point.spec.name, *point.attributes): point.value for point in points}

    return read
