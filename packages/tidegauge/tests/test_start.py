"""What an integration sets going once its hooks are in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAM = """
import signal
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge import Model, guard
from tidegauge.runtime import shared
from tidegauge.start import begin
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
before = shared.ident()
begin()
begin()
with Model("fraud").prediction([1.0]) as p:
    p.output = 0.5
names = [
    metric.name
    for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
]
import greenlet
print(names.count("model.requests"), signal.getsignal(signal.SIGTERM) != signal.SIG_DFL)
print(before != shared.ident() == id(greenlet.getcurrent()), guard.counts())
"""


def test_once_is_enough_and_twice_is_no_more(python: Callable[..., Any]) -> None:
    """The provider that is there exports, the end is seen, greenlets are told apart."""
    done = python(PROGRAM)
    assert ("", ["1 True", "True {}"]) == (done.stderr, done.stdout.splitlines())
