"""ONNX Runtime under instrumentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from tidegauge_onnxruntime import OnnxruntimeInstrumentor
from tidegauge_testkit.recording import Recording


@pytest.fixture
def instrumented() -> Iterator[OnnxruntimeInstrumentor]:
    """Instrument ONNX Runtime for one test."""
    instrumentor = OnnxruntimeInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    instrumentor.uninstrument()


@pytest.fixture
def recording(instrumented: OnnxruntimeInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


@pytest.fixture(scope="session")
def opened() -> Callable[[Any], Any]:
    """Return a function that makes a session of a model: its bytes, or its file."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 4  # what is wrong in the tests is wrong on purpose
    return lambda model: ort.InferenceSession(model, options, ["CPUExecutionProvider"])


@pytest.fixture
def rows() -> NDArray[np.float32]:
    """Return forty rows of three features."""
    return np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
