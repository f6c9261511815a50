"""The active span is told which model it was; MLflow's own traces are left whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tidegauge_semconv import attributes
from tidegauge_testkit.recording import Recording

from .conftest import Registry


@pytest.fixture
def spans() -> Iterator[tuple[Any, InMemorySpanExporter]]:
    """Return a tracer of the app, and what it exports."""
    provider, kept = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    yield provider.get_tracer("app"), kept
    provider.shutdown()


def test_the_apps_span_gets_name_version_and_id(
    recording: Recording, registry: Registry, rows: pd.DataFrame, spans: Any
) -> None:
    """Also while a trace of MLflow's is under way inside it."""
    tracer, kept = spans
    model = registry.mlflow.pyfunc.load_model("models:/fraud@champion")
    with tracer.start_as_current_span("GET /score"):
        model.predict(rows)
    (span,) = kept.get_finished_spans()
    assert span.attributes[attributes.MODEL_NAME] == "fraud"
    assert span.attributes[attributes.MODEL_VERSION] == "2"
    assert span.attributes[attributes.PREDICTION_ID]
    assert recording.faults() == {}


def test_a_trace_of_mlflow_is_as_it_was(
    recording: Recording, registry: Registry, rows: pd.DataFrame
) -> None:
    """A prediction inside is recorded, and MLflow stores and reads its trace as ever."""
    mlflow = registry.mlflow
    model = mlflow.pyfunc.load_model("models:/fraud/3")
    with mlflow.start_span("handler") as span:
        span.set_inputs({"rows": len(rows)})
        model.predict(rows)
        span.set_outputs("done")
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(span.trace_id)
    (read,) = trace.data.spans
    assert (read.name, read.inputs, read.outputs) == ("handler", {"rows": 10}, "done")
    assert recording.calls() == 1
    assert recording.faults() == {}
