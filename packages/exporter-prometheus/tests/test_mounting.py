"""The endpoint inside an app: ASGI off the event loop, WSGI, without a reader."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client.parser import text_string_to_metric_families
from tidegauge_exporter_prometheus import asgi_app, wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegauge_exporter_prometheus import PrometheusReader

NONE_RUNS = (
    "No Tidegauge Prometheus reader runs in this process. Set "
    "OTEL_METRICS_EXPORTER=tidegauge_prometheus and start the app with opentelemetry-instrument, "
    "or give your MeterProvider tidegauge_exporter_prometheus.PrometheusReader().\n"
)


def fastapi_client(reader: PrometheusReader | None) -> httpx.AsyncClient:
    app = FastAPI()
    app.mount("/metrics", asgi_app(reader))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://app", follow_redirects=True)


def fetch_asgi(
    reader: PrometheusReader | None, method: str = "GET", **headers: str
) -> httpx.Response:
    async def fetch() -> httpx.Response:
        async with fastapi_client(reader) as client:
            return await client.request(method, "/metrics", headers=headers)

    return asyncio.run(fetch())


def fetch_wsgi(
    reader: PrometheusReader | None, method: str = "GET", **headers: str
) -> httpx.Response:
    app = Flask("shop")
    app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, {"/metrics": wsgi_app(reader)}
    )
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://app") as client:
        return client.request(method, "/metrics", headers=headers)


FETCH = pytest.mark.parametrize("fetch", [fetch_asgi, fetch_wsgi], ids=["fastapi", "flask"])


@pytest.fixture
def mounted(make_reader: Any) -> PrometheusReader:
    """Return a reader without a port, whose provider has counted one job."""
    reader: PrometheusReader = make_reader(listen=False)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("jobs").add(1)
    return reader


def names(response: httpx.Response) -> set[str]:
    return {family.name for family in text_string_to_metric_families(response.text)}


@FETCH
@pytest.mark.parametrize("given", [True, False], ids=["reader", "process"])
def test_a_mounted_app_shows_the_metrics(
    mounted: PrometheusReader, fetch: Callable[..., httpx.Response], given: bool
) -> None:
    """Mounted in a real framework it shows a given reader, or those of the process."""
    response = fetch(mounted if given else None, Accept_Encoding="gzip")
    assert response.status_code == 200
    assert "jobs" in names(response)


@FETCH
def test_the_format_is_negotiated(
    mounted: PrometheusReader, fetch: Callable[..., httpx.Response]
) -> None:
    """Accept and Accept-Encoding reach the endpoint through the framework."""
    response = fetch(
        mounted, **{"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"}
    )
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.headers["content-encoding"] == "gzip"
    assert response.text.endswith("# EOF\n")


@FETCH
def test_methods(mounted: PrometheusReader, fetch: Callable[..., httpx.Response]) -> None:
    """HEAD is answered, writing is not."""
    assert (fetch(mounted, "HEAD").status_code, fetch(mounted, "HEAD").content) == (200, b"")
    assert fetch(mounted, "POST").status_code == 405


@FETCH
def test_without_a_reader_the_answer_says_what_to_set(
    fetch: Callable[..., httpx.Response],
) -> None:
    """A mounted endpoint that nobody feeds is 503, with the variable to set."""
    response = fetch(None)
    assert (response.status_code, response.text) == (503, NONE_RUNS)


def test_the_event_loop_stays_free_while_metrics_are_collected(make_reader: Any) -> None:
    """Sixteen scrapes that hang in a callback hold up neither the loop nor its executor."""
    reader = make_reader(listen=False)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    gate, entered = threading.Event(), threading.Event()

    def slow(options: CallbackOptions) -> Any:
        entered.set()
        assert gate.wait(20)
        yield Observation(1)

    provider.get_meter("app").create_observable_gauge("slow", [slow])

    async def scenario() -> list[httpx.Response]:
        async with fastapi_client(reader) as client:
            scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(16)]
            assert await asyncio.to_thread(entered.wait, 10)
            for _ in range(1000):
                await asyncio.sleep(0)
            finished = [scrape.done() for scrape in scrapes]
            gate.set()
            assert finished == [False] * 16
            return await asyncio.gather(*scrapes)

    assert [response.status_code for response in asyncio.run(scenario())] == [200] * 16


def test_a_scrape_is_answered_where_no_thread_is_to_be_had(mounted: PrometheusReader) -> None:
    """The event loop waits for it then: that is better than no answer."""
    earlier = threading.stack_size(1 << 60)  # more than there is
    try:
        assert fetch_asgi(mounted).status_code == 200
    finally:
        threading.stack_size(earlier)


def test_lifespan_and_websockets(mounted: PrometheusReader) -> None:
    """Standing alone under a server it takes part in start and stop, and refuses websockets."""
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    app = asgi_app(mounted)

    async def scenario() -> None:
        await app({"type": "lifespan"}, receive, send)
        await app({"type": "websocket"}, receive, send)

    asyncio.run(scenario())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
