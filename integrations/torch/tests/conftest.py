"""PyTorch under instrumentation, where it is installed, and a pipeline of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording
from tidegauge_torch import TorchInstrumentor

CLASSES = "Net,Linear,Mine"


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the classes of the tests, for processes that they start too."""
    monkeypatch.setenv("TIDEGAUGE_TORCH_CLASSES", CLASSES)


@pytest.fixture(scope="class", autouse=True)
def _named_for_programs() -> Iterator[None]:
    """Name them for what a whole class of tests asks of a process; skip without the library."""
    pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGAUGE_TORCH_CLASSES", CLASSES)
        yield


@pytest.fixture
def instrumented() -> Iterator[TorchInstrumentor]:
    """Instrument PyTorch for one test."""
    with switched_on(TorchInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: TorchInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording
