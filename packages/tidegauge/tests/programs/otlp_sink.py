"""Receives OTLP by HTTP and gRPC; answers a GET with what arrived. Prints its two ports."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

LOOPBACK = "127.0.0.1"

lock = threading.Lock()
#: The newest value of each series of a counter, by instance, name and attributes.
sums: dict[tuple[str, str, str], float] = {}
spans: Counter[str] = Counter()
broken: list[str] = []
peers: set[tuple[str, int]] = set()


def text(attributes: Any) -> str:
    """Return attributes as one line."""
    return ",".join(sorted(f"{a.key}={a.value.string_value}" for a in attributes))


def take_metrics(request: Any) -> None:
    """Keep the newest value of each series."""
    with lock:
        for resource in request.resource_metrics:
            kept = {a.key: a.value.string_value for a in resource.resource.attributes}
            instance = kept.get("service.instance.id", "")
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.sum.data_points:
                        key = (instance, metric.name, text(point.attributes))
                        sums[key] = point.as_int or point.as_double


def take_spans(request: Any) -> None:
    """Count the spans by name."""
    with lock:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                spans.update(span.name for span in scope.spans)


def report() -> bytes:
    """Return what arrived: sums over the instances, and of how many each is made."""
    with lock:
        totals: Counter[str] = Counter()
        instances: Counter[str] = Counter()
        for (_, name, attributes), value in sums.items():
            totals[f"{name}{{{attributes}}}"] += int(value)
            instances[f"{name}{{{attributes}}}"] += 1
        found = {
            "totals": totals,
            "instances": instances,
            "spans": spans,
            "broken": broken,
            "connections": len(peers),
        }
        return json.dumps(found).encode()


class Handler(BaseHTTPRequestHandler):
    """OTLP over HTTP with connections that stay open, as a collector has them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Write nothing."""

    def do_POST(self) -> None:
        """Take one export; a body that two processes wrote at once cannot be read."""
        peers.add(self.client_address)
        try:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/metrics":
                take_metrics(metrics.ExportMetricsServiceRequest.FromString(body))
            elif self.path == "/v1/traces":
                take_spans(trace.ExportTraceServiceRequest.FromString(body))
        except Exception as error:
            broken.append(repr(error))
        self.answer(b"")

    def do_GET(self) -> None:
        """Say what arrived."""
        self.answer(report())

    def answer(self, body: bytes) -> None:
        """Write a whole answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Metrics(metrics_grpc.MetricsServiceServicer):
    """OTLP over gRPC: metrics."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Take one export."""
        take_metrics(request)
        return metrics.ExportMetricsServiceResponse()


class Traces(trace_grpc.TraceServiceServicer):
    """OTLP over gRPC: traces."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Take one export."""
        take_spans(request)
        return trace.ExportTraceServiceResponse()


class Server(ThreadingHTTPServer):
    """Many children knock at once."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until the process is ended."""
    by_grpc = grpc.server(futures.ThreadPoolExecutor(8))
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), by_grpc)  # type: ignore[no-untyped-call]
    trace_grpc.add_TraceServiceServicer_to_server(Traces(), by_grpc)  # type: ignore[no-untyped-call]
    grpc_port = by_grpc.add_insecure_port(f"{LOOPBACK}:0")
    by_grpc.start()
    by_http = Server((LOOPBACK, 0), Handler)
    print(by_http.server_address[1], grpc_port, flush=True)
    by_http.serve_forever()


if __name__ == "__main__":
    main()
