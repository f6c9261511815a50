"""A Prometheus endpoint for Tidegauge's and all other OpenTelemetry metrics of a process."""

from __future__ import annotations

from tidegauge_exporter_prometheus.asgi import asgi_app
from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_exporter_prometheus.reader import PrometheusReader
from tidegauge_exporter_prometheus.wsgi import wsgi_app

__all__ = ["PrometheusReader", "asgi_app", "prometheus_name", "wsgi_app"]
