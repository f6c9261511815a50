"""What a reader was told last is known to whoever leads next, and survives what goes wrong."""

from __future__ import annotations

import os
import resource as limits
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
)
from tidegauge import codec, guard, standing
from tidegauge.batch import GaugePoint
from tidegauge.group.archive import ARCHIVE
from tidegauge.group.entrance import Entrance
from tidegauge.ledger import COUNTERS
from tidegauge.producer import Producer
from tidegauge.told import from_header
from tidegauge.totals import Totals
from tidegauge_semconv import metrics

DELTA = AggregationTemporality.DELTA
CALL = ("m", "", "predict")
REQUESTS = (*CALL, "success")
OURS = ("Stub", "", "predict", "success")
PSI = ("m", "1", "r", "f", "w")


# -- takeover ----------------------------------------------------------------------------------


def deltas(name: str) -> Producer:
    """Return a delta reader as another process has it: of the same name."""
    return as_named(Producer(sums=DELTA, histograms=DELTA), name)


def wholes(name: str) -> Producer:
    """Return a cumulative reader as another process has it."""
    return as_named(Producer(), name)


def as_named(made: Producer, name: str) -> Producer:
    """Give a reader its name in all processes."""
    made.name, made._record = name, f"baseline.{name}"
    return made


def test_a_takeover_goes_on_where_the_last_leader_ended(several: Any) -> None:
    """Neither what was exported nor its time comes again, and nothing in between is left out."""
    first, second = several.process(), several.process()
    worker = several.other(5)
    several.be(first).tick(0.0)
    assert 5 == several.requests(deltas("x"))
    several.die(first)
    several.count(worker, 8, several.core.clock())
    several.be(second).tick(1.0)
    several.core.clock.now_s -= 100
    producer = deltas("x")
    scope = producer.produce()
    assert scope is not None
    (point,) = scope.metrics[0].data.data_points
    assert 3 == point.value  # type: ignore[union-attr]
    assert (
        point.start_time_unix_nano
        == point.time_unix_nano
        == int((several.core.clock() + 100) * 1e9)
    )
    assert several.requests(producer) is None


def test_an_interval_whose_exporter_was_killed_is_not_told_twice(several: Any) -> None:
    """The baseline moves before the export: one interval is lost then, and no other."""
    first, second = several.process(), several.process()
    worker = several.other(5)
    several.be(first).tick(0.0)
    producer = deltas("x")
    producer.produce()  # and killed before it was sent
    several.die(first)
    several.count(worker, 6, several.core.clock())
    several.be(second).tick(1.0)
    assert 1 == several.requests(deltas("x"))


def test_a_leader_that_goes_while_it_produces(several: Any) -> None:
    """It exports nothing then, and what it would have is the next leader's."""
    first, second = several.process(), several.process()
    several.other(5)
    several.be(first).tick(0.0)

    class Goes(Producer):
        def _metrics(self, *arguments: Any) -> Any:  # the counts are gathered, none is told
            found = super()._metrics(*arguments)
            assert first.leads
            first._leadership.release()
            return found

    goes = as_named(Goes(sums=DELTA, histograms=DELTA), "x")
    assert several.requests(goes) is None
    assert not first.leads
    several.be(second).tick(1.0)
    assert 5 == several.requests(deltas("x"))


def test_readers_that_are_alike_have_a_baseline_each(several: Any) -> None:
    """Two of the same kind in one process do not take each other's intervals."""
    several.other(5)
    several.be(several.process()).tick(0.0)
    one, two = (Producer(sums=DELTA, histograms=DELTA, name="otlp") for _ in range(2))
    assert one.name != two.name
    assert [5, 5] == [several.requests(one), several.requests(two)]


def test_a_process_that_was_alone_goes_on_as_leader(several: Any) -> None:
    """What it has exported alone is not exported again, and totals do not fall."""
    here = several.be(several.process(child=False))
    here.own_instance_id = "mine"
    model = several.core.model()
    change, whole = deltas("x"), Producer()
    for _ in range(5):
        model.predict([[1.0]])
    assert [5, 5] == [several.requests(change), several.requests(whole)]
    assert not here.member
    several.other(2, several.core.clock() - 50)
    here.tick(0.0)
    assert here.leads
    assert [2, 7] == [several.requests(change), several.requests(whole)]
    starts = {
        point.start_time_unix_nano
        for metric in whole.produce().metrics  # type: ignore[union-attr]
        for point in metric.data.data_points
    }
    assert {int(several.core.clock() * 1e9)} == starts


class Late:
    """A worker that finds its folder read-only at first, and counts and exports alone."""

    def __init__(self, several: Any, calls: int) -> None:
        self.several = several
        self.way = several._folder / "way"
        self.way.touch()
        self.group = several.process()
        self.group._entrance = Entrance(self.way)
        several.be(self.group)
        self.model = several.core.model()
        self.change, self.whole = deltas("x"), wholes("y")
        self.call(calls)

    def call(self, calls: int) -> None:
        """Predict."""
        for _ in range(calls):
            self.model.predict([[1.0]])

    def told(self) -> list[float | None]:
        """Return what its two readers that push are told."""
        return [self.several.requests(reader) for reader in (self.change, self.whole)]

    def join(self) -> None:
        """Find the folder in order."""
        self.way.unlink()
        self.way.symlink_to(self.several._folder)
        self.group._join_at_s = 0.0
        self.group.tick(0.0)
        assert self.group.member
        standing.desk().tick()


def counts(producer: Producer) -> dict[str, float]:
    """Return the number of latencies and values that a reader is given."""
    scope = producer.produce()
    found: list[Any] = list(scope.metrics) if scope else []
    return {
        metric.name: sum(point.count for point in metric.data.data_points)
        for metric in found
        if hasattr(metric.data.data_points[0], "count")
    }


def test_what_a_worker_has_told_alone_is_its_own(several: Any) -> None:
    """It joins later: whoever leads exports what it counted since, and who is asked has all."""
    leader = several.process()
    several.be(leader).tick(0.0)
    several.other(100)
    change, whole = deltas("x"), wholes("y")
    assert [100, 100] == [several.requests(change), several.requests(whole)]
    late = Late(several, 5)
    assert [5, 5] == late.told()
    late.call(1)  # its readers are not told of this one in time
    late.join()
    assert [None, None] == late.told()

    several.be(leader)
    several.core.use([])
    assert [1, 101] == [several.requests(change), several.requests(whole)]
    assert {"model.request.latency": 1, "model.prediction.value": 1} == counts(wholes("y"))
    assert 106 == several.requests(Producer(pulled=True))

    # It is killed, and archived: nothing changes.
    several.die(late.group)
    leader.tick(1.0)
    assert [ARCHIVE] == [r.worker for r in leader.named(COUNTERS) if not r.living]
    assert [None, 101] == [several.requests(change), several.requests(whole)]
    assert 106 == several.requests(Producer(pulled=True))


def test_a_worker_that_was_alone_may_lead(several: Any) -> None:
    """Then it leaves out itself what it has told."""
    late = Late(several, 5)
    assert [5, 5] == late.told()
    late.join()
    assert late.group.leads
    late.call(2)
    several.other(3)
    assert [5, 5] == late.told()
    late.call(1)
    assert [1, 6] == late.told()
    assert 11 == several.requests(Producer(pulled=True))


def test_a_launcher_that_comes_too_late_to_lead(several: Any) -> None:
    """It has exported alone, and a child leads already: under another instance, without it."""
    launcher = several.be(several.process(child=False))
    launcher.own_instance_id = "launchers"
    model = several.core.model()
    model.predict([[1.0]])
    change, whole = deltas("x"), wholes("y")
    assert [1, 1] == [several.requests(change), several.requests(whole)]
    child = several.process()
    child.tick(0.0)
    several.other(5)
    launcher.tick(0.0)
    standing.desk().tick()
    assert (True, False) == (child.leads, launcher.leads)
    assert "launchers" != child.instance_id

    several.be(child)
    several.core.use([])
    change, whole = deltas("x"), wholes("y")
    assert [5, 5] == [several.requests(change), several.requests(whole)]
    assert 6 == several.requests(Producer(pulled=True))


def test_values_of_a_more_telling_operation_begin_anew(several: Any) -> None:
    """Of another process: to both kinds of readers the old series has ended when it begins."""
    several.be(several.process()).tick(0.0)
    scores = several.core.model(operation="decision_function")
    for _ in range(3):
        scores.decision_function([[2.0]])
    change, whole = deltas("x"), Producer()

    def values(producer: Producer) -> Any:
        scope = producer.produce()
        found: list[Any] = list(scope.metrics) if scope else []
        points = [m.data.data_points for m in found if m.name == "model.prediction.value"]
        return points[0][0] if points else None

    first = [values(change), values(whole)]
    assert [3, 3] == [point.count for point in first]
    several.core.clock.now_s += 10
    published = [r.payload for r in several.made[0].named(COUNTERS)]
    totals, _ = codec.decode(published[0])
    (value,) = [p for p in totals.points if p.spec is metrics.MODEL_PREDICTION_VALUE]
    operations = dict.fromkeys(totals.operations, "predict")
    labels = Totals(totals.start_s - 99, (replace(value, start_s=None),), operations)
    several.process().publish(COUNTERS, codec.encode(labels))
    second = [values(change), values(whole)]
    assert [3, 3] == [point.count for point in second]
    for before, after in zip(first, second, strict=True):
        assert before.time_unix_nano <= after.start_time_unix_nano <= after.time_unix_nano
    start = second[1].start_time_unix_nano
    several.core.clock.now_s += 10
    assert [None, start] == [values(change), values(whole).start_time_unix_nano]


# -- faults ------------------------------------------------------------------------------------


@contextmanager
def no_more_files() -> Iterator[None]:
    """Have as many files open as this process may."""
    soft, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    limits.setrlimit(limits.RLIMIT_NOFILE, (lowest, hard))
    os.close(lowest)
    taken: list[int] = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)


def test_what_cannot_be_read_now_is_not_taken_for_nothing(several: Any) -> None:
    """A process with too many open files exports nothing: totals do not fall, nothing repeats."""
    several.be(several.process()).tick(0.0)
    several.other(5)
    change, asked = deltas("x"), Producer(pulled=True)
    assert [5, 5] == [several.requests(change), several.requests(asked)]
    with no_more_files():
        for producer in (change, asked):
            with pytest.raises(OSError, match="Too many open files"):
                producer.produce()
    assert [None, 5] == [several.requests(change), several.requests(asked)]


def test_a_record_of_another_release_is_left_out(several: Any) -> None:
    """It is counted as a fault; the others' are shown."""
    several.be(several.process())
    several.other(5)
    several.process().publish(COUNTERS, b'{"version": 99}')
    assert 5 == several.requests(Producer(pulled=True))
    assert {"group.counters:UnreadableError": 1} == guard.counts()


@pytest.mark.parametrize("told", [7, [[1]], [["otlp", "", 7]], [["otlp", "", "{"]]])
def test_what_another_release_was_told_is_refused(told: object) -> None:
    """Whoever reads it counts a fault, and goes on without."""
    with pytest.raises(codec.UnreadableError):
        from_header({"told": told})


@contextmanager
def no_room() -> Iterator[None]:
    """Have a limit on the size of files, which a full disk is too."""
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))


def test_deltas_wait_until_their_baseline_can_be_kept(several: Any) -> None:
    """Else the next leader would tell them again; what is no delta is told meanwhile."""
    first, second = several.process(), several.process()
    several.be(first).tick(0.0)
    worker = several.other(5)
    gauge = GaugePoint(metrics.DRIFT_PSI_VALUE, PSI, 0.5)
    several.core.recorder.gauges = [gauge]
    with no_room():
        for _ in range(2):
            several.core.clock.now_s += 10
            change = several.told(deltas("x"))
            assert {(metrics.DRIFT_PSI_VALUE.name, *PSI): 0.5} == change
            assert 5 == several.requests(wholes("y"))
    assert ["group.unwritten.27"] == list(guard.counts())
    change = deltas("x")
    assert 5 == several.requests(change)
    several.count(worker, 7, several.core.clock())
    with no_room():
        assert several.requests(change) is None
    several.die(first)
    several.be(second).tick(1.0)
    assert 2 == several.requests(deltas("x"))


def test_a_baseline_that_could_not_be_kept_is_known_to_whoever_told_it(several: Any) -> None:
    """What an earlier leader has kept is older: time goes on from what was told last."""
    first, second = several.process(), several.process()
    worker = several.other(5)
    several.be(first).tick(0.0)
    assert 5 == several.requests(wholes("x"))
    several.die(first)
    several.be(second).tick(1.0)
    whole = wholes("x")
    several.core.clock.now_s += 100
    with no_room():
        assert 5 == several.requests(whole)
    several.count(worker, 7, several.core.clock())
    several.core.clock.now_s -= 50
    scope = whole.produce()
    assert scope is not None
    times = {p.time_unix_nano for m in scope.metrics for p in m.data.data_points}
    assert {int((several.core.clock() + 50) * 1e9)} == times


@pytest.mark.parametrize("what", ["*", "*/kept"])
def test_files_that_are_removed_leave_the_leader_who_it_was(
    several: Any, tmp_path: Path, what: str
) -> None:
    """It alone knows what was told: any other would tell it again."""
    first, second = several.process(), several.process()
    worker = several.other(5)
    several.be(first).tick(0.0)
    change = deltas("x")
    assert 5 == several.requests(change)
    for other in (worker, second):
        other.tick(0.0)
    for folder in tmp_path.glob(what):
        shutil.rmtree(folder)
    for _ in range(3):
        worker.tick(1.0)
        second.tick(1.0)
    several.count(worker, 6, several.core.clock())
    assert not second.leads
    for _ in range(2):
        first.tick(1.0)
    assert 1 == several.requests(change)
    several.die(first)
    several.count(worker, 8, several.core.clock())
    several.be(second)._lead_at_s = 0.0
    second.tick(5.0)
    assert 2 == several.requests(deltas("x"))


def test_counts_that_are_lost_are_no_change(several: Any) -> None:
    """Somebody has removed a record: what is left is not counted again."""
    several.be(several.process()).tick(0.0)
    one, _ = several.other(5), several.other(3)
    change = deltas("x")
    assert 8 == several.requests(change)
    one.withdraw(COUNTERS)
    assert several.requests(change) is None
    several.count(one, 1, several.core.clock())
    assert 1 == several.requests(change)
