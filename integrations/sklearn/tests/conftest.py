"""scikit-learn under instrumentation, and a pipeline of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording

Matrix = NDArray[np.float64]


@pytest.fixture
def instrumented() -> Iterator[SklearnInstrumentor]:
    """Instrument scikit-learn for one test."""
    with switched_on(SklearnInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: SklearnInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


@pytest.fixture(scope="session")
def rows() -> Matrix:
    """Return forty rows of four features."""
    return np.random.default_rng(3).normal(size=(40, 4))


@pytest.fixture(scope="session")
def labels(rows: Matrix) -> Any:
    """Return one of two labels a row."""
    return (rows[:, 0] > 0).astype(int)
