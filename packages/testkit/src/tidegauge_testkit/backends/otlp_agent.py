"""A real OTLP receiver: Datadog's test agent, over HTTP and gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.ports import LOOPBACK, free_ports
from tidegauge_testkit.backends.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_VERSION = "1.69.1"
# The first start on a machine installs it.
_READY_S = 180.0


@dataclass(frozen=True, slots=True)
class Point:
    """One data point as it arrived.

    ``data`` is the rest of the point in OTLP's JSON: ``count``, ``bucket_counts``, ``sum`` ...
    """

    name: str
    unit: str
    kind: str
    temporality: str
    scope: str
    resource: Mapping[str, str]
    attributes: Mapping[str, str]
    start_ns: int
    time_ns: int
    value: float | None
    data: Mapping[str, Any]


class TestAgent(Process):
    """``ddapm-test-agent`` on free ports, in an environment of its own.

    It needs another major version of protobuf than OpenTelemetry's newest exporters, so uv runs
    it apart.
    """

    __test__ = False  # pytest would take the name for a class of tests
    name = "ddapm-test-agent"

    def __init__(self, folder: Path) -> None:
        port, http_port, grpc_port = free_ports(3)
        self.http_url = f"http://{LOOPBACK}:{http_port}"
        self.grpc_url = f"http://{LOOPBACK}:{grpc_port}"
        self._info = f"http://{LOOPBACK}:{port}/info"
        super().__init__(
            [
                find("uv"), "tool", "run", "--from", f"ddapm-test-agent=={_VERSION}",
                "ddapm-test-agent",
                "--host", LOOPBACK,
                "--port", str(port),
                "--otlp-http-port", str(http_port),
                "--otlp-grpc-port", str(grpc_port),
            ],
            folder,
        )  # fmt: skip

    def wait_ready(self) -> None:
        """Wait until both its own and the OTLP port answer."""
        self.wait_for(
            lambda: web.answers(self._info) and web.answers(self._metrics_url),
            "the test agent answers",
            _READY_S,
        )

    def clear(self) -> None:
        """Forget everything that arrived."""
        web.get_text(f"{self.http_url}/test/session/clear")

    def points(self, name: str | None = None) -> list[Point]:
        """Return the data points that arrived (of one metric), oldest first."""
        found = [
            point
            for request in web.get_json(self._metrics_url)
            for point in _points(request)
            if name in (None, point.name)
        ]
        return sorted(found, key=lambda point: point.time_ns)

    def last(self, name: str) -> dict[tuple[tuple[str, str], ...], Point]:
        """Return the newest point of each of a metric's attribute sets."""
        return {tuple(sorted(point.attributes.items())): point for point in self.points(name)}

    @property
    def _metrics_url(self) -> str:
        return f"{self.http_url}/test/session/metrics"


def _points(request: Mapping[str, Any]) -> Iterator[Point]:
    for resource_metrics in request["resource_metrics"]:
        resource = _attributes(resource_metrics.get("resource", {}))
        for scope_metrics in resource_metrics["scope_metrics"]:
            scope = scope_metrics.get("scope", {}).get("name", "")
            for metric in scope_metrics["metrics"]:
                kind = next(key for key in metric if isinstance(metric[key], dict))
                for data in metric[kind].get("data_points", []):
                    yield Point(
                        metric["name"],
                        metric.get("unit", ""),
                        kind,
                        metric[kind]
                        .get("aggregation_temporality", "")
                        .removeprefix("AGGREGATION_TEMPORALITY_")
                        .lower(),
                        scope,
                        resource,
                        _attributes(data),
                        int(data.get("start_time_unix_nano", 0)),
                        int(data["time_unix_nano"]),
                        _value(data),
                        data,
                    )


def _attributes(holder: Mapping[str, Any]) -> dict[str, str]:
    return {
        each["key"]: str(next(iter(each["value"].values()), ""))
        for each in holder.get("attributes", [])
    }


def _value(data: Mapping[str, Any]) -> float | None:
    for key in ("as_int", "as_double"):
        if key in data:
            return float(data[key])
    return None
