"""What is read when somebody collects: off the request path, bounded in time, by one for all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality, Sum
from tidegauge import group, guard, sources, standing
from tidegauge.batch import CountPoint, GaugePoint, ModelKey
from tidegauge.producer import Producer
from tidegauge.sources import ModelUse, Moment, Sources
from tidegauge.totals import of_tally
from tidegauge_semconv import Kind, Merge, MetricSpec

OWN = MetricSpec("test.own", Kind.UPDOWN, "By", "Of a process.", ("part",), Merge.SUM)
HOST = MetricSpec("test.host", Kind.GAUGE, "", "Of a host.", (), Merge.LEADER)
COUNT = MetricSpec("test.count", Kind.COUNTER, "s", "Counted by a process.", (), Merge.SUM)


@dataclass
class Source:
    """A source that says what the test has set, and may hang."""

    says: list[GaugePoint | CountPoint] = field(default_factory=list)
    host_wide: bool = False
    may_hang: bool = True
    moments: list[Moment] = field(default_factory=list)
    resets: int = 0
    free: threading.Event = field(default_factory=threading.Event)
    threads: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def read(self, moment: Moment) -> Iterable[GaugePoint | CountPoint]:
        """Answer, when it is free to."""
        self.begun.set()
        self.free.wait()
        self.moments.append(moment)
        self.threads.append(threading.current_thread().name)
        return list(self.says)

    def reset(self) -> None:
        """Count the forks."""
        self.resets += 1


class Failing(Source):
    """A source that raises."""

    def read(self, moment: Moment) -> Iterable[GaugePoint | CountPoint]:
        """Raise."""
        raise OSError("no driver")


@pytest.fixture
def use(core: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sources]]:
    """Have sources in place of those that are installed."""
    used: list[Sources] = []
    group.current().predicts = True  # the fixture of the core starts no background, which says so

    def install(*given: Any) -> Sources:
        used.append(Sources(given))
        monkeypatch.setattr(sources, "_current", used[-1])
        return used[-1]

    yield install
    for made in used:
        made.stop()


def thread_of(made: Sources) -> sources._ThreadedReading:
    """Return the first source as that which reads it on a thread."""
    assert made._readings is not None
    first = made._readings[0]
    assert isinstance(first, sources._ThreadedReading)
    return first


def own(value: float = 5.0, part: str = "a") -> GaugePoint:
    """Return a gauge of one process."""
    return GaugePoint(OWN, (part,), value)


def values(producer: Producer) -> dict[str, float]:
    """Return what a reader is given by sources of tests."""
    scope: Any = producer.produce()
    return {
        metric.name: point.value
        for metric in (scope.metrics if scope else ())
        if metric.name.startswith("test.")
        for point in metric.data.data_points
    }


def points(producer: Producer) -> dict[str, float]:
    """Return the parts of the gauge of processes."""
    scope: Any = producer.produce()
    return {
        point.attributes["part"]: point.value
        for metric in (scope.metrics if scope else ())
        if metric.name == OWN.name
        for point in metric.data.data_points
    }


def test_a_source_is_read_with_each_collection_on_a_thread_of_its_own(
    core: Any, use: Callable[..., Sources]
) -> None:
    """There is none before the first one; what the model did is told."""
    source = Source([own()])
    use(source)
    core.model().predict([[1.0]])
    assert not any(each.name == "tidegauge-Source" for each in threading.enumerate())
    producer = Producer()
    for _ in range(2):
        assert {"test.own": 5.0} == values(producer)
    assert ["tidegauge-Source"] * 2 == source.threads
    assert [1.0] == [use.requests for use in source.moments[-1].models.values()]


def test_a_source_that_cannot_hang_is_read_by_whoever_collects(
    core: Any, use: Callable[..., Sources]
) -> None:
    """It has no thread, and a fault of it costs what it says alone."""
    quick, broken = Source([own()], may_hang=False), Failing(may_hang=False)
    use(quick, broken)
    core.model().predict([[1.0]])
    assert {"a": 5.0} == points(Producer())
    assert [threading.current_thread().name] == quick.threads
    assert 1 == guard.counts()["source.Failing:OSError"]


def test_a_source_without_a_thread_is_read_by_one_at_a_time(use: Callable[..., Sources]) -> None:
    """Who comes meanwhile takes what it said last."""
    source = Source([own()], may_hang=False)
    made = use(source)
    now = Moment(0.0, 0.0, {})
    made.ask(lambda: now, None)
    source.free.clear()
    source.begun.clear()
    first = threading.Thread(target=made.ask, args=(lambda: now, None))
    first.start()
    try:
        assert source.begun.wait(10.0)
        made.ask(lambda: now, None)
        assert [own()] == made.points()
    finally:
        source.free.set()
        first.join(10.0)
    assert 2 == len(source.moments)


def test_a_source_that_was_stopped_is_read_again(core: Any, use: Callable[..., Sources]) -> None:
    """Its thread has ended; another question starts one."""
    made = use(Source([own()]))
    producer = Producer()
    assert {"test.own": 5.0} == values(producer)
    thread = thread_of(made)._thread
    assert thread is not None
    made.stop()
    thread.join(20.0)
    assert not thread.is_alive()
    thread_of(made)._said = ()
    assert {"test.own": 5.0} == values(producer)


def test_a_process_that_has_not_predicted_says_nothing_of_itself(
    core: Any, use: Callable[..., Sources]
) -> None:
    """It may become one of a group that it is no member of, and its values would be gone."""
    source = Source([own()])
    use(source)
    group.current().predicts = False
    assert {} == values(Producer())
    assert [] == source.moments


def test_what_adds_up_is_a_sum_that_may_fall(core: Any, use: Callable[..., Sources]) -> None:
    """OpenTelemetry's UpDownCounter, cumulative for readers that want deltas too."""
    use(Source([own()]))
    delta = AggregationTemporality.DELTA
    scope = Producer(sums=delta, histograms=delta).produce()
    assert scope is not None
    (data,) = [metric.data for metric in scope.metrics if metric.name == OWN.name]
    assert isinstance(data, Sum)
    assert (False, AggregationTemporality.CUMULATIVE) == (
        data.is_monotonic,
        data.aggregation_temporality,
    )


def test_a_source_that_hangs_delays_one_collection_a_little(
    core: Any, use: Callable[..., Sources], until: Callable[..., None]
) -> None:
    """Its last value stands meanwhile, and the others answer; later ones do not wait at all."""
    hanging, other = Source([own(1.0)]), Source([own(2.0, "b")])
    made = use(hanging, other)
    producer = Producer()
    assert {"a": 1.0, "b": 2.0} == points(producer)
    hanging.free.clear()
    hanging.says, other.says = [own(10.0)], [own(20.0, "b")]
    begun_s = time.monotonic()
    produced = points(producer)
    waited_s = time.monotonic() - begun_s
    assert {"a": 1.0, "b": 20.0} == produced
    assert sources.PATIENCE_S <= waited_s < 10 * sources.PATIENCE_S
    assert thread_of(made)._late
    assert {"a": 1.0, "b": 20.0} == points(producer)
    hanging.free.set()
    until(lambda: points(producer)["a"] == 10.0)


def test_what_was_said_long_ago_is_absent(
    core: Any, use: Callable[..., Sources], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that hangs for longer than a minute has no last value any more."""
    source = Source([own(1.0)])
    use(source)
    producer = Producer()
    assert {"a": 1.0} == points(producer)
    source.free.clear()
    assert {"a": 1.0} == points(producer)
    monkeypatch.setattr(sources, "STALE_S", 0.0)
    assert {} == points(producer)
    source.free.set()


def test_a_source_that_fails_is_absent_and_counted(core: Any, use: Callable[..., Sources]) -> None:
    """The others answer; nothing reaches the reader."""
    use(Failing(), Source([own()]))
    assert {"a": 5.0} == points(Producer())
    assert 1 == guard.counts()["source.Failing:OSError"]


def test_the_leader_alone_reads_what_is_the_hosts(
    several: Any, use: Callable[..., Sources]
) -> None:
    """It knows what all processes of the launch did; what others measure of themselves adds up."""
    source, host = Source([own()]), Source([GaugePoint(HOST, (), 0.5)], host_wide=True)
    use(source, host)
    leader = several.process()
    leader.tick(0.0)
    several.other(5)
    here = several.be(several.process())
    here.tick(0.0)
    assert {"test.own": 5.0} == values(Producer(pulled=True))
    assert [] == host.moments
    several.be(leader)
    several.core.model().predict([[1.0]])
    assert {"test.own": 10.0, "test.host": 0.5} == values(Producer(pulled=True))
    assert {ModelKey("m"): 5.0, ModelKey("Stub"): 1.0} == {
        key: use.requests for key, use in host.moments[-1].models.items()
    }


def test_a_process_that_nobody_asks_publishes_what_its_sources_say(
    several: Any, use: Callable[..., Sources], until: Callable[..., None]
) -> None:
    """Whoever is asked adds it up: with its second tick it is there."""
    use(Source([own()]))
    quiet = several.be(several.process())
    several.core.model().predict([[1.0]])
    quiet.tick(0.0)
    desk = standing.desk()

    def published() -> bool:
        desk._ask_s = 0.0
        desk.tick()
        return any(record.payload for record in quiet.surely_named("gauges"))

    until(published)


def test_counts_of_sources_are_counts(core: Any, use: Callable[..., Sources]) -> None:
    """A reader of deltas is told the change."""
    source = Source([CountPoint(COUNT, (), 5.0, core.clock())])
    use(source)
    delta = Producer(sums=AggregationTemporality.DELTA)
    assert {"test.count": 5.0} == values(delta)
    source.says = [CountPoint(COUNT, (), 7.5, core.clock())]
    assert {"test.count": 2.5} == values(delta)


def test_a_process_that_ends_keeps_what_was_said(
    core: Any, use: Callable[..., Sources], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread can be started any more, and nothing is raised."""
    made = use(Source([own(3.0)]))
    producer = Producer()
    assert {"a": 3.0} == points(producer)
    made.stop()
    thread = thread_of(made)._thread
    assert thread is not None
    thread.join(20.0)

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert {"a": 3.0} == points(producer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_inherits_no_reading(core: Any) -> None:
    """It has neither the parent's thread nor what the parent's source said."""
    source = Source([own()])
    made = Sources([source])
    made.ask(lambda: Moment(0.0, 0.0, {}), None)
    assert 1 == len(made.points(patience_s=20.0))
    made.stop()
    made.reset()
    assert (1, []) == (source.resets, made.points())


def test_a_moment_adds_up_the_operations_of_a_model(core: Any) -> None:
    """Seconds and finished calls, failed ones too, by model and version."""

    def answer(data: Any) -> object:
        core.clock.now_s += 0.5
        if data is None:
            raise ValueError("no rows")
        return [0.0]

    predict = core.model(answer)
    predict.predict([[1.0]])
    with pytest.raises(ValueError, match="no rows"):
        predict.predict(None)
    with core.pipeline.frozen() as tally:
        totals = of_tally(tally)
    found = sources.moment(core.clock(), totals.start_s, totals.points)
    assert {ModelKey("Stub"): 2.0} == {k: u.requests for k, u in found.models.items()}
    (use,) = found.models.values()
    assert isinstance(use, ModelUse)
    seconds = sum(float(counts.latency.total) for counts in tally.calls.values())
    assert seconds == use.seconds
