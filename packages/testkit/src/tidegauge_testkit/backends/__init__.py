"""Real backends as processes on loopback: started with a deadline, always stopped."""

from __future__ import annotations

from tidegauge_testkit.backends.alertmanager import Alertmanager
from tidegauge_testkit.backends.binaries import MissingProgramError
from tidegauge_testkit.backends.otlp_agent import Point, TestAgent
from tidegauge_testkit.backends.ports import free_port, free_ports
from tidegauge_testkit.backends.process import BackendError, Process, wait_until
from tidegauge_testkit.backends.prometheus import Prometheus
from tidegauge_testkit.backends.promql_server import PromqlServer, Sample
from tidegauge_testkit.backends.promtool import Promtool
from tidegauge_testkit.backends.pushgateway import Pushgateway
from tidegauge_testkit.backends.served_app import ServedApp
from tidegauge_testkit.backends.victoria_metrics import VictoriaMetrics, Vmalert
from tidegauge_testkit.backends.webhook import Received, Webhook

__all__ = [
    "Alertmanager",
    "BackendError",
    "MissingProgramError",
    "Point",
    "Process",
    "Prometheus",
    "PromqlServer",
    "Promtool",
    "Pushgateway",
    "Received",
    "Sample",
    "ServedApp",
    "TestAgent",
    "VictoriaMetrics",
    "Vmalert",
    "Webhook",
    "free_port",
    "free_ports",
    "wait_until",
]
