"""The web request behind a call: on spans, and on the exemplars of slow calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tidegauge.batch import ModelKey
from tidegauge.counts import Exemplar
from tidegauge.model import Model
from tidegauge.request import KEY, Request, allowed_id

REQUEST = Request("/score/{model}", "r-1")


@pytest.fixture(autouse=True)
def _request() -> Any:
    """Let each test run in a request."""
    token = context.attach(context.set_value(KEY, REQUEST))
    yield
    context.detach(token)


def exemplar(core: Any, name: str = "Stub") -> Exemplar:
    """Return the only exemplar of a model's latency."""
    core.pipeline.flush()
    (found,) = core.pipeline.tally.calls[ModelKey(name), "predict"].latency.exemplars.values()
    assert isinstance(found, Exemplar)
    return found


def finished(predict: Any, server: str, attributes: dict[str, str]) -> list[ReadableSpan]:
    """Return the spans of a prediction below a server's span, or directly in a span of the app."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    if server:
        outer = tracer.start_as_current_span(server, attributes=attributes)
        with outer, tracer.start_as_current_span("inner"):
            predict()
    else:
        remote = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        token = context.attach(context.set_value(KEY, REQUEST, parent))
        with tracer.start_as_current_span("handler", attributes=attributes):
            predict()
        context.detach(token)
    return list(exporter.get_finished_spans())


def of_request(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span says of the request."""
    return {k: v for k, v in (span.attributes or {}).items() if k in ("http_route", "request_id")}


def test_without_a_span_the_request_is_all_there_is(core: Any) -> None:
    """As with our distro, where traces go nowhere: route and id, and no id of ours."""
    core.model().predict([[1.0]])
    found = exemplar(core)
    assert (0, 0, "") == (found.trace_id, found.span_id, found.prediction_id)
    assert ("/score/{model}", "r-1") == (found.http_route, found.request_id)


def test_by_hand_the_prediction_has_its_id_too(core: Any) -> None:
    """The app knows it, and may have logged it."""
    with Model("mine").prediction([1.0]) as p:
        p.output = 1.0
    found = exemplar(core, "mine")
    assert (p.id, "r-1") == (found.prediction_id, found.request_id)


def test_a_span_that_is_not_recorded_leads_nowhere(core: Any) -> None:
    """The request does."""
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("t")
    with tracer.start_as_current_span("request"):
        core.model().predict([[1.0]])
    assert (0, "r-1") == (exemplar(core).trace_id, exemplar(core).request_id)


def test_below_a_servers_span_nothing_is_repeated(core: Any) -> None:
    """The server's span has the route; the exemplar has the span and the request."""
    model = core.model()
    inner, _ = finished(lambda: model.predict([[1.0]]), "server", {"http.route": "/x"})
    assert {} == of_request(inner)
    assert inner.context is not None
    found = exemplar(core)
    assert (inner.context.trace_id, "r-1") == (found.trace_id, found.request_id)
    assert found.prediction_id == (inner.attributes or {})["prediction_id"]


def test_a_servers_own_span_is_told_nothing(core: Any) -> None:
    """It says ``http.route`` itself."""
    (span,) = finished(lambda: core.model().predict([[1.0]]), "", {"http.route": "/x"})
    assert {} == of_request(span)


def test_a_trace_without_a_server_is_told(core: Any) -> None:
    """The first span of this process, made by the app, gets route and id."""
    (span,) = finished(lambda: core.model().predict([[1.0]]), "", {})
    assert {"http_route": "/score/{model}", "request_id": "r-1"} == of_request(span)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [(Request("/a", ""), {"http_route": "/a"}), (Request("", "r"), {"request_id": "r"})],
)
def test_what_is_not_known_is_not_told(request_: Request, expected: dict[str, str]) -> None:
    """No empty attributes."""
    span = TracerProvider().get_tracer("t").start_span("s", context=context.Context())
    request_.put_on(span)
    assert expected == of_request(span)  # type: ignore[arg-type]


def test_a_span_of_another_sdk_is_told() -> None:
    """One that tells neither its parent nor its attributes."""
    told: dict[str, str] = {}

    class Other(trace.NonRecordingSpan):
        def set_attribute(self, key: str, value: Any) -> None:
            told[key] = value

    REQUEST.put_on(Other(trace.INVALID_SPAN_CONTEXT))
    assert {"http_route": "/score/{model}", "request_id": "r-1"} == told


@given(st.text(max_size=80) | st.text(st.characters(max_codepoint=127), max_size=80) | st.none())
def test_an_id_is_repeated_as_it_is_or_not_at_all(text: str | None) -> None:
    """Only characters that stand on one line of any log, and few of them."""
    found = allowed_id(text)
    fits = text is not None and len(text) <= 64 and all(" " <= each <= "~" for each in text)
    assert found == (text if fits else "")
