"""The Prometheus endpoint's port: free, ours, or somebody else's."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping

from tidegauge_semconv import metrics

from tidegauge_distro import exporters
from tidegauge_distro.doctor.configuration import in_force
from tidegauge_distro.doctor.report import Report

_TIMEOUT_S = 3.0
_PUSHED = "a Pushgateway: it gets the metrics when the process ends, no port is opened"
_MOST_BYTES = 5_000_000
_OURS = tuple(
    spec.name.replace(".", "_").encode()
    for spec in (metrics.MODEL_REQUESTS, metrics.TIDEGAUGE_ROWS)
)


def examine(report: Report, environ: Mapping[str, str]) -> None:
    """Add who answers on the endpoint's port."""
    names = environ.get(exporters.METRICS.variable, "").strip() or exporters.default(
        exporters.METRICS, environ
    )
    port = in_force("OTEL_EXPORTER_PROMETHEUS_PORT")
    host = in_force("OTEL_EXPORTER_PROMETHEUS_HOST")
    if exporters.OURS not in names.split(","):
        return
    gateway = in_force("TIDEGAUGE_PROMETHEUS_PUSHGATEWAY")
    if gateway is not None:
        report.add("endpoint", ("address", "state"), [(gateway.url, _PUSHED)])
        return
    if not port or not host:
        return
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    state = look(shown, port)
    report.add("endpoint", ("address", "state"), [(f"http://{shown}:{port}/metrics", state)])
    if state.startswith("taken"):
        report.problems.append(
            f"Port {port} of {shown} is {state}. Stop that program, or set "
            "OTEL_EXPORTER_PROMETHEUS_PORT to a free port (0 takes any)."
        )


def look(host: str, port: int) -> str:
    """Say whether a port is free, answered by Tidegauge, or taken, and by whom."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S):
            pass
    except ConnectionRefusedError:
        return "free"
    except OSError as error:
        return f"not reachable: {error}"
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException):
        return "taken by a program that does not speak HTTP"
    finally:
        connection.close()
    if any(name in body for name in _OURS):
        return "answered by Tidegauge, metrics of a model are there"
    kind = answer.getheader("Content-Type") or ""
    if answer.status == http.client.OK and ("version=" in kind or b"# TYPE" in body):
        return "answered by a Prometheus endpoint without metrics of a model"
    server = (answer.getheader("Server") or "").strip() or "an unnamed server"
    return f"taken by {server} (HTTP {answer.status} at /metrics)"
