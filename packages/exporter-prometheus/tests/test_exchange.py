"""When a worker publishes what its app's instruments count."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge.exact import Exact
from tidegauge.group import Group, Record, locks
from tidegauge.group.launch import detect
from tidegauge_exporter_prometheus import codec
from tidegauge_exporter_prometheus.exchange import Exchange, Schedule, decoded
from tidegauge_exporter_prometheus.mapping import collection


def published(*, read: bool, callbacks: bool, cpu_s: float = 0.0, wall_s: float = 0.0) -> list[int]:
    """Return the seconds of two minutes in which a ticking worker publishes."""
    schedule = Schedule()
    found = []
    for now_s in range(120):
        if schedule.due(float(now_s), read=read, callbacks=callbacks):
            schedule.published(float(now_s), cpu_s, wall_s)
            found.append(now_s)
    return found


@pytest.mark.parametrize(
    ("read", "callbacks", "every_s"),
    [(True, False, 1), (True, True, 5), (False, False, 1), (False, True, 60)],
)
def test_how_often_a_worker_publishes(read: bool, callbacks: bool, every_s: int) -> None:
    """Each second; the app's callbacks are asked less often, and seldom while nobody scrapes."""
    assert published(read=read, callbacks=callbacks) == list(range(0, 120, every_s))


@pytest.mark.parametrize(
    ("cpu_s", "wall_s", "every_s"), [(0.02, 0.0, 2), (0.3, 0.3, 30), (0.0, 2.0, 20)]
)
def test_an_expensive_app_is_asked_less_often(cpu_s: float, wall_s: float, every_s: int) -> None:
    """Never more than 1 % of a core, nor more than a tenth of the time in callbacks that wait."""
    found = published(read=True, callbacks=False, cpu_s=cpu_s, wall_s=wall_s)
    assert found == list(range(0, 120, every_s))


def test_a_record_of_another_release_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that was upgraded in place does not cost the others' answers."""
    records = [Record(worker, "foreign.0", True, b'{"format":0}') for worker in ("1-a", "2-b")]
    assert list(decoded(records)) == []
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            (
                "A worker of another release of Tidegauge serves beside this one: the app's own "
                "instruments are counted without it. Restart the workers."
            ),
        )
    ]


def test_nobody_collects_for_a_process_that_is_alone() -> None:
    """Without other workers nothing is published, so no callback of the app is run."""

    def collect() -> Any:
        pytest.fail("collected")

    exchange = Exchange(7, collect, lambda: False)
    exchange.publish_now()
    exchange._tick(0.0)


def snapshot(count: int) -> bytes:
    """Return what a worker publishes whose app has counted so much."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("jobs").add(count)
    found = collection(reader.get_metrics_data())
    provider.shutdown()
    return codec.encode(codec.Snapshot(found.target, found.others))


@pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")
def test_a_process_without_a_reader_archives_what_the_others_have_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing of this exporter, and clears up after the dead all the same."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    launch = replace(detect({}), child=True)
    leader, *dying = (Group(launch, tmp_path) for _ in range(3))
    for group in (leader, *dying):
        group.predicts = group.attached = True
    leader.tick(0.0)
    for now_s, group in enumerate(dying, 1):
        group.publish("foreign.0", snapshot(5))
        group.publish("scraped", b"1")
        group._descriptors.abandon()  # as a killed process ends
        leader.tick(now_s)
        leader.tick(now_s)
    leader.tick(math.inf)

    (record,) = leader.named("foreign.0")
    assert "archive" == record.worker
    ((_, found),) = decoded([record])
    (jobs,) = (each for each in found.aggregates if each.name.startswith("jobs"))
    assert [10.0] == [float(value) for value in jobs.series.values() if isinstance(value, Exact)]
    assert [leader.worker] == [place.name for place in tmp_path.glob("*/workers/*")]
    leader._descriptors.abandon()
