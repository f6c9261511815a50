"""The endpoint as a WSGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_exporter_prometheus.exposition import Answer, answer
from tidegauge_exporter_prometheus.readers import expose, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import Metric as Family

    from tidegauge_exporter_prometheus.reader import PrometheusReader

#: Where the endpoint's own port shows the metrics.
METRICS_PATH = "/metrics"


def wsgi_app(reader: PrometheusReader | None = None) -> WSGIApplication:
    """Return a WSGI application to mount: it shows a reader, by default all of this process.

    It answers at every path that it is mounted on.
    """
    return application(source(reader))


def source(reader: PrometheusReader | None) -> Callable[[], Sequence[Family]]:
    """Return what collects from a reader, by default from those that run when it is called."""
    return lambda: expose([reader] if reader is not None else running())


def application(collect: Callable[[], Sequence[Family]], path: str = "") -> WSGIApplication:
    """Return a WSGI application that shows families, under one path only where one is given."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = _respond(environ, collect, path)
        start_response(f"{found.status} {found.reason}", found.headers)
        return [found.body]

    return app


def _respond(environ: dict[str, Any], collect: Callable[[], Sequence[Family]], path: str) -> Answer:
    asked = environ.get("PATH_INFO", "")
    method = environ.get("REQUEST_METHOD", "GET")
    if path and asked.rstrip("/") != path:
        missing = Answer.text(404, "Not Found", f"The metrics are at {path}.")
        return Answer(404, "Not Found", missing.headers) if method == "HEAD" else missing
    accept, encoding = environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", "")
    return answer(method, accept, encoding, collect)
