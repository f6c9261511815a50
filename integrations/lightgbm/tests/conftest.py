"""LightGBM under instrumentation, alone and beside scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge_lightgbm import LightGBMInstrumentor
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.contracts.boosters import ORDERS, in_order
from tidegauge_testkit.instrumentation import all_switched_on, switched_on
from tidegauge_testkit.recording import Recording

Matrix = NDArray[np.float64]


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument LightGBM for one test, with this integration alone."""
    with switched_on(LightGBMInstrumentor()):
        yield


@pytest.fixture
def recording(instrumented: None) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


@pytest.fixture(params=ORDERS)
def together(request: pytest.FixtureRequest) -> Iterator[Recording]:
    """Return what is recorded in one test, whatever else is installed."""
    both = in_order(LightGBMInstrumentor, SklearnInstrumentor, request.param)
    with all_switched_on(both), Recording() as recording:
        yield recording


@pytest.fixture(scope="session")
def rows() -> Matrix:
    """Return sixty rows of four features."""
    return np.random.default_rng(3).normal(size=(60, 4))


@pytest.fixture(scope="session")
def labels(rows: Matrix) -> Any:
    """Return one of two labels a row."""
    return (rows[:, 0] > 0).astype(int)


@pytest.fixture(scope="session")
def train() -> Any:
    """Return what trains two small trees."""

    def trained(rows: Any, labels: Any, **params: Any) -> lightgbm.Booster:
        given = {"num_leaves": 3, "num_threads": 1, "verbosity": -1, **params}
        group = params.pop("group", None)
        given.pop("group", None)
        return lightgbm.train(given, lightgbm.Dataset(rows, labels, group=group), 2)

    return trained


@pytest.fixture
def booster(train: Any, rows: Matrix, labels: Any) -> lightgbm.Booster:
    """Return a booster for two classes."""
    found: lightgbm.Booster = train(rows, labels, objective="binary")
    return found
