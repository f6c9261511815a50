"""CatBoost under instrumentation, and a pipeline of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor
from numpy.typing import NDArray
from tidegauge_catboost import CatBoostInstrumentor
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording

Matrix = NDArray[np.float64]
SMALL = {"iterations": 4, "verbose": False, "allow_writing_files": False, "thread_count": 1}


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Return what makes training short and quiet."""
    return dict(SMALL)


@pytest.fixture
def instrumented() -> Iterator[CatBoostInstrumentor]:
    """Instrument CatBoost for one test."""
    with switched_on(CatBoostInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: CatBoostInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


@pytest.fixture(scope="session")
def rows() -> Matrix:
    """Return sixty rows of four features."""
    return np.random.default_rng(3).normal(size=(60, 4))


@pytest.fixture(scope="session")
def binary(rows: Matrix) -> Any:
    """Return a classifier of two classes."""
    return CatBoostClassifier(**SMALL).fit(rows, (rows[:, 0] > 0).astype(int))


@pytest.fixture(scope="session")
def several(rows: Matrix) -> Any:
    """Return a classifier of three classes that are text."""
    labels = np.array(["low", "mid", "high"])[np.digitize(rows[:, 0], [-0.5, 0.5])]
    return CatBoostClassifier(**SMALL).fit(rows, labels)


@pytest.fixture(scope="session")
def regressor(rows: Matrix) -> Any:
    """Return a regressor."""
    return CatBoostRegressor(**SMALL).fit(rows, rows[:, 0])


@pytest.fixture(scope="session")
def generic(rows: Matrix) -> Any:
    """Return a model of no kind, trained to classify."""
    return CatBoost({"loss_function": "Logloss", **SMALL}).fit(rows, (rows[:, 0] > 0).astype(int))
