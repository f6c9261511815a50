"""LitServe under instrumentation: the classes of the tests are named, here and in processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tidegauge_litserve import LitserveInstrumentor
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording


@pytest.fixture(scope="session", autouse=True)
def _named() -> Iterator[None]:
    """Name the classes by the environment, as an app does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGAUGE_LITSERVE_CLASSES", "Scoring, Failing")
        yield


@pytest.fixture
def instrumented() -> Iterator[LitserveInstrumentor]:
    """Instrument LitServe for one test."""
    with switched_on(LitserveInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: LitserveInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test, in which nothing of ours goes wrong."""
    with Recording() as recording:
        yield recording
        assert recording.faults() == {}
