"""A reader exports one thing after another, and a leader goes when its exports have ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from tidegauge import attach, export_order, leave
from tidegauge.group import locks

LIMIT_S = 20.0
# Far longer than whatever wrongly does not wait needs, and never waited for by what fails.
A_WHILE_S = 0.2
DELTA: dict[type, Any] = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)

Make = Callable[[], "Reader"]


class Kept(MetricExporter):
    """Keeps the time and the requests of each export of ours."""

    def __init__(self) -> None:
        super().__init__(preferred_temporality=DELTA)
        self.sent: list[tuple[int, int]] = []

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> Any:
        """Keep it."""
        self.sent += [
            (point.time_unix_nano, point.value)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "model.requests"
            for point in metric.data.data_points
            if point.value
        ]
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """Hold nothing back."""
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Do nothing."""


class Reader(PeriodicExportingMetricReader):
    """Is stopped, in the thread that the test gives it, between collecting and sending."""

    def __init__(self) -> None:
        self.exporter = Kept()
        self.collected, self.go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: self.collect(), daemon=True)
        super().__init__(self.exporter, export_interval_millis=float("inf"))

    def _receive_metrics(self, *args: Any, **kwargs: Any) -> None:
        if threading.current_thread() is self.thread:
            self.collected.set()
            self.go_on.wait(LIMIT_S)
        super()._receive_metrics(*args, **kwargs)

    def begin(self) -> None:
        """Begin an export, and let it be under way."""
        self.thread.start()
        assert self.collected.wait(LIMIT_S)

    def end(self) -> None:
        """Let the export come to its end."""
        self.go_on.set()
        self.thread.join(LIMIT_S)


@pytest.fixture
def make(core: Any) -> Iterator[Make]:
    """Make readers of attached providers; shut them down at the end."""
    made: list[tuple[Reader, MeterProvider]] = []

    def start() -> Reader:
        reader = Reader()
        provider = MeterProvider([reader], shutdown_on_exit=False)
        made.append((reader, provider))
        assert attach(provider)
        leave.watch(provider)
        return reader

    yield start
    for reader, provider in made:
        reader.go_on.set()
        provider.shutdown()


def beside(work: Callable[[], object]) -> threading.Thread:
    """Start work in another thread, and give it the time to do it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(A_WHILE_S)
    return thread


def test_who_flushes_does_not_overtake(core: Any, make: Make) -> None:
    """What the reader's own thread has collected before is sent before."""
    model, reader = core.model(), make()
    model.predict([[1.0]])
    reader.begin()
    core.clock.now_s += 1
    model.predict([[1.0]])
    flush = beside(reader.force_flush)
    reader.end()
    flush.join(LIMIT_S)
    sent = reader.exporter.sent
    assert [1, 1] == [value for _, value in sent]
    assert sent == sorted(sent)
    assert 2 == len({time_ns for time_ns, _ in sent})


@pytest.fixture
def leading(several: Any, make: Make, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Be the leader of two workers, whose reader exports a call just now."""
    monkeypatch.setattr(leave, "_left", 0)
    leader = several.be(several.process())
    leader.tick(0.0)
    several.process().tick(0.0)
    assert [True, False] == [group.leads for group in several.made]
    several.core.model().predict([[1.0]])
    reader = make()
    reader.begin()
    return reader


@pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")
def test_a_leader_goes_when_its_export_has_ended(several: Any, leading: Reader) -> None:
    """Else its process would end with it, and the next leader takes it for told."""
    _, other = several.made
    ending = beside(lambda: leave._leave(time.monotonic() + LIMIT_S))
    other.tick(1.0)
    assert (True, False) == (ending.is_alive(), other.leads)
    leading.end()
    ending.join(LIMIT_S)
    other.tick(2.0)
    assert other.leads
    assert [1] == [value for _, value in leading.exporter.sent]


@pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")
def test_an_export_that_hangs_does_not_keep_the_lead(several: Any, leading: Reader) -> None:
    """The end of a process has a limit."""
    _, other = several.made
    began = time.monotonic()
    leave._leave(began + 2 * A_WHILE_S)
    assert time.monotonic() < began + LIMIT_S
    other.tick(1.0)
    assert other.leads


def test_a_forked_child_does_not_wait_for_its_parents_export(core: Any, make: Make) -> None:
    """The thread that has its turn is the parent's."""
    core.model().predict([[1.0]])
    reader = make()
    reader.begin()
    export_order.reset()
    flush = beside(lambda: reader.force_flush(timeout_millis=10 * LIMIT_S * 1000))
    flush.join(LIMIT_S / 2)
    assert not flush.is_alive()
