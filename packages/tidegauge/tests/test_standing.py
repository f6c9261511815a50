"""What a process of a group answers and exports: for all, or nothing. Several groups in one."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricReader,
)
from opentelemetry.sdk.resources import Resource
from tidegauge import attach, codec, guard, standing
from tidegauge.attach import is_pulled
from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.ledger import COUNTERS, GAUGES
from tidegauge.points import SumPoint
from tidegauge.producer import Producer
from tidegauge.totals import Totals
from tidegauge_semconv import metrics

DELTA = AggregationTemporality.DELTA
CALL = ("m", "", "predict")
REQUESTS = (*CALL, "success")
OURS = ("Stub", "", "predict", "success")
PSI = ("m", "1", "r", "f", "w")


# -- who answers, who exports ------------------------------------------------------------------


def test_whoever_is_asked_answers_for_all(several: Any) -> None:
    """A worker, and a process that never predicts; the latter says nothing of itself."""
    several.be(several.process())
    several.core.model().predict([[1.0]])
    several.other(5)
    assert 6 == several.requests(Producer(pulled=True))
    several.be(several.process(predicts=False))
    guard.fault("x")
    found = several.told(Producer(pulled=True))
    assert [1, 5] == [found["model.requests", *series] for series in (OURS, REQUESTS)]
    assert not any(series[0] == "tidegauge.errors" for series in found)
    assert several.requests(Producer()) is None


def test_the_leader_alone_exports(several: Any) -> None:
    """A worker that does not lead has nothing of ours to push, nor has one that yet counts."""
    leader = several.other(5)
    leader.tick(0.0)
    here = several.be(several.process())
    several.core.model().predict([[1.0]])
    here.tick(0.0)
    assert (True, False) == (leader.leads, here.leads)
    assert several.requests(Producer()) is None
    several.die(leader)
    here.tick(1.0)
    assert 6 == several.requests(Producer())


def test_a_child_that_has_not_predicted_has_nothing_to_export(several: Any) -> None:
    """Its faults are not exported twice, by itself now and by its group later."""
    several.be(several.process(predicts=False))
    guard.fault("x")
    assert {} == several.told(Producer())
    several.be(several.process(predicts=False, child=False))
    assert {("tidegauge.errors", "x"): 1} == several.told(Producer())


def test_what_was_counted_last_is_seen_by_the_next_that_is_asked(several: Any) -> None:
    """Asking writes it down first: the totals of two processes do not fall."""
    first = several.be(several.process())
    model = several.core.model()
    asked = Producer(pulled=True)
    for calls in range(1, 4):
        several.be(first)
        model.predict([[1.0]])
        assert calls == several.requests(asked)
        several.be(several.process(predicts=False))
        assert calls == several.requests(Producer(pulled=True))


def test_once_a_second_what_is_new_is_written_down(several: Any) -> None:
    """Not what is the same."""
    here = several.be(several.process())
    desk = standing.desk()
    several.core.model().predict([[1.0]])

    def written() -> list[bytes]:
        return [p.read_bytes() for p in sorted(several._folder.rglob("counters*"))]

    desk.tick()  # not yet a member: it joins at the group's own tick
    here.tick(0.0)
    desk.tick()
    before = written()
    assert 1 == len(before)
    desk.tick()
    assert before == written()
    several.core.model(class_name="Other").predict([[1.0]])
    desk.tick()
    assert before != written()


def test_a_process_that_joins_while_it_is_asked_answers_for_all(
    several: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what it has counted would be told twice, alone and by its group."""
    monkeypatch.setattr(standing, "_LOCK_TIMEOUT_S", 60.0)
    here = several.be(several.process(child=False))
    several.core.model().predict([[1.0]])
    found: list[float | None] = []
    asks = threading.Thread(target=lambda: found.append(several.requests(Producer(pulled=True))))
    with standing.desk()._held():
        asks.start()
        deadline_s = time.monotonic() + 60.0
        while sys._current_frames()[asks.ident or 0].f_code.co_name != "_held":
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        several.other(5)
        here.tick(0.0)
        assert here.member
    asks.join(60.0)
    assert [6] == found


def test_what_hangs_keeps_nobody_who_writes_down(
    several: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second later it is tried again."""
    monkeypatch.setattr(standing, "_LOCK_TIMEOUT_S", 0.01)
    here = several.be(several.process())
    several.core.model().predict([[1.0]])
    here.tick(0.0)
    with standing.desk()._held():
        standing.write_down()
        assert [] == here.named(COUNTERS)
    standing.write_down()
    assert 1 == len(here.named(COUNTERS))


def test_a_caller_runs_the_same_code_in_a_group(several: Any) -> None:
    """Function for function what it runs alone; nothing of the group is among it."""
    model = several.core.model()
    wrapper = type(model).predict

    def run() -> list[Any]:
        found: list[Any] = []

        def note(frame: Any, event: str, what: Any) -> None:
            found.append((event, what if event.startswith("c_") else frame.f_code))

        model.predict([[1.0]])  # the first call finds out what the model is
        gc.disable()  # what others do when it collects is no part of the call
        sys.setprofile(note)
        try:
            model.predict([[1.0]])
        finally:
            sys.setprofile(None)
            gc.enable()
        return found

    alone = run()
    here = several.be(several.process())
    several.other(5)
    here.tick(0.0)
    standing.desk().tick()
    assert (True, True) == (here.member, here.leads)
    assert alone == run()
    assert type(model).predict is wrapper
    files = {Path(what.co_filename) for event, what in alone if event == "call"}
    assert not any(file.parent.name == "group" or file.stem == "standing" for file in files)


# -- gauges ------------------------------------------------------------------------------------


def test_gauges_are_the_leaders(several: Any) -> None:
    """Others show its, not their own; with the last process they are gone."""
    leader = several.be(several.process())
    leader.tick(0.0)
    recorder = several.core.recorder
    recorder.gauges = [GaugePoint(metrics.DRIFT_PSI_VALUE, PSI, 0.25)]
    key = ("drift.psi.value", *PSI)
    asked = Producer(pulled=True)
    assert 0.25 == several.told(asked)[key]
    recorder.gauges = [GaugePoint(metrics.DRIFT_PSI_VALUE, PSI, 0.75)]
    other = several.be(several.process())
    assert 0.25 == several.told(asked)[key]
    arbiter = several.be(several.process(predicts=False))
    assert 0.25 == several.told(asked)[key]
    several.die(leader)
    several.die(other)
    assert key not in several.told(asked)
    assert arbiter.active


def test_gauges_that_add_up_are_those_of_the_living(several: Any) -> None:
    """Memory of three processes, and of two when one has ended."""
    spec, key = metrics.MODEL_MEMORY_USAGE, ("model.memory.usage", "m")
    here = several.be(several.process())
    here.tick(0.0)
    several.core.recorder.gauges = [GaugePoint(spec, ("m",), 1.0)]
    others = [several.other(), several.other()]
    for other, value in zip(others, (2.0, 4.0), strict=True):
        other.publish(GAUGES, codec.encode_gauges([GaugePoint(spec, ("m",), value)]))
    assert 7.0 == several.told(Producer(pulled=True))[key]
    several.die(others[1])
    assert 3.0 == several.told(Producer(pulled=True))[key]
    here.tick(1.0)
    assert 3.0 == several.told(Producer(pulled=True))[key]
    assert 2 == len(list(several._folder.glob("*/workers/*")))
    assert {} == guard.counts()


def test_a_processors_counts_add_up_or_are_the_leaders(several: Any) -> None:
    """As the metric says: each process's, those of ended ones too, or one for all."""
    here = several.be(several.process())
    here.tick(0.0)
    ours = ("m", "1", "binned")
    bins = ("m", "1", "r", "f", "0")
    at = several.core.clock()
    several.core.recorder.gauges = [
        CountPoint(metrics.TIDEGAUGE_ROWS, ours, 5, at),
        CountPoint(metrics.MODEL_FEATURE_BIN, bins, 7, at),
    ]
    other = several.process()
    point = SumPoint(metrics.TIDEGAUGE_ROWS, ours, 3, at - 10)
    other.publish(COUNTERS, codec.encode(Totals(at - 20, (point,))))
    asked, pushed = Producer(pulled=True), Producer(sums=DELTA, histograms=DELTA)
    keys = ("tidegauge.rows", *ours), ("model.feature.bin", *bins)
    for reader in (asked, pushed):
        found = several.told(reader)
        assert [8, 7] == [found[key] for key in keys]
    several.die(other)
    here.tick(1.0)
    several.core.recorder.gauges[1] = CountPoint(metrics.MODEL_FEATURE_BIN, bins, 9, at)
    found, changed = several.told(asked), several.told(pushed)
    assert [8, 9] == [found[key] for key in keys]
    assert [None, 2] == [changed.get(key) for key in keys]


def test_processors_with_much_to_say_are_asked_less_often(
    several: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 1 % of a core; what was told to who asked in between is not written over."""
    here = several.be(several.process())
    here.tick(0.0)
    recorder, desk = several.core.recorder, standing.desk()
    asked: list[int] = []

    def points() -> list[CountPoint]:
        begun_s = time.thread_time()
        while time.thread_time() < begun_s + 0.05:  # of one core: 1 % of 5 s
            pass
        asked.append(len(asked) + 1)
        at = several.core.clock()
        return [CountPoint(metrics.TIDEGAUGE_ROWS, ("m", "1", "binned"), asked[-1], at)]

    monkeypatch.setattr(recorder, "points", points)

    def written() -> float:
        (record,) = here.named(COUNTERS)
        totals, _ = codec.decode(record.payload)
        rows = (p for p in totals.points if p.spec is metrics.TIDEGAUGE_ROWS)
        return sum(point.value for point in rows if isinstance(point, SumPoint))

    for _ in range(3):
        desk.tick()
    assert ([1], 1) == (asked, written())
    several.told(Producer(pulled=True))
    desk.tick()
    assert ([1, 2], 2) == (asked, written())
    monkeypatch.setattr(desk, "_ask_s", desk._ask_s - 6.0)
    desk.tick()
    assert ([1, 2, 3], 3) == (asked, written())


# -- under whose name --------------------------------------------------------------------------


class Asked(InMemoryMetricReader):
    """A reader that a backend asks."""

    pulled = True


@pytest.fixture
def provide() -> Iterator[Callable[..., MeterProvider]]:
    """Make providers; shut them down."""
    made: list[MeterProvider] = []

    def provider(*readers: MetricReader) -> MeterProvider:
        own = Resource({"service.name": "shop", "service.instance.id": "mine"})
        made.append(MeterProvider(list(readers), resource=own, shutdown_on_exit=False))
        assert attach(made[-1])
        made[-1].get_meter("app").create_counter("app").add(1)
        return made[-1]

    yield provider
    for found in made:
        found.shutdown()


def scopes(reader: InMemoryMetricReader) -> dict[tuple[Any, Any], list[str]]:
    """Return the scopes under each resource that a reader is given."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        tuple(r.resource.attributes.get(f"service.{key}") for key in ("name", "instance.id")): [  # type: ignore[misc]
            s.scope.name for s in r.scope_metrics
        ]
        for r in data.resource_metrics
    }


def test_a_groups_metrics_are_under_its_own_instance(
    several: Any, provide: Callable[..., MeterProvider]
) -> None:
    """Beside the app's, which are the process's; to who asks any process they are one's own."""
    here = several.be(several.process())
    pushed, asked = InMemoryMetricReader(), Asked()
    provide(pushed, asked)
    several.core.model().predict([[1.0]])
    here.tick(0.0)
    group_id = here.instance_id
    assert "mine" != group_id
    assert {("shop", "mine"): ["app"], ("shop", group_id): ["tidegauge"]} == scopes(pushed)
    assert {("shop", "mine"): ["app", "tidegauge"]} == scopes(asked)
    several.be(several.process())
    assert {("shop", "mine"): ["app"]} == scopes(pushed)


def test_a_launcher_gives_the_group_its_own_instance(
    several: Any, provide: Callable[..., MeterProvider]
) -> None:
    """So the series that it began alone go on."""
    here = several.be(several.process(child=False))
    pushed = InMemoryMetricReader()
    provide(pushed)
    several.core.model().predict([[1.0]])
    assert {("shop", "mine"): ["app", "tidegauge"]} == scopes(pushed)
    several.other(1)
    here.tick(0.0)
    assert "mine" == here.instance_id
    assert {("shop", "mine")} == set(scopes(pushed))


def test_which_readers_are_asked() -> None:
    """Those that say so, and OpenTelemetry's own for Prometheus by its name."""

    class PrometheusMetricReader(InMemoryMetricReader):
        pass

    class Derived(PrometheusMetricReader):
        pass

    assert [True, True, False, False] == [
        is_pulled(found) for found in (Asked(), Derived(), InMemoryMetricReader(), object())
    ]
