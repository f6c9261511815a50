"""The background: nothing is lost, memory and time are bounded, faults stay where they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest
from tidegauge import flush, group, guard, pipeline
from tidegauge.batch import ModelKey, ValueBounds
from tidegauge.channel import MAX_ENTRIES, Channels
from tidegauge.configuration import CoreSettings
from tidegauge.pipeline import SLICE_ROWS
from tidegauge.runtime import shared
from tidegauge.snapshot import MAX_ROWS

KEY = ModelKey("Stub")
ROW = np.ones((1, 3))


def counts_of(core: Any, operation: str = "predict") -> Any:
    """Return the counts of the one model."""
    return core.pipeline.tally.calls[KEY, operation]


def test_counts_are_exact_under_threads(threaded: Any) -> None:
    """Eight threads of 5,000 calls, the drain running all the while: not one is lost."""

    def answer(data: Any) -> Any:
        if data[0, 0] < 0:
            raise ValueError
        return data[:, 0]

    model = threaded.model(answer)
    bad = -ROW
    gate = threading.Barrier(8)

    def work() -> None:
        gate.wait()
        for i in range(5000):
            if i % 10:
                model.predict(ROW)
            else:
                with pytest.raises(ValueError):  # noqa: PT011 - the stub's own
                    model.predict(bad)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threaded.pipeline._thread is not None
    assert flush()
    counts, rows = counts_of(threaded), threaded.pipeline.tally.rows[KEY]
    assert (36_000, {"ValueError": 4000}, 36_000) == (counts.success, counts.errors, counts.rows)
    assert 40_000 == counts.latency.counts.sum() == counts.log_latency.total() + counts.zero_latency
    assert 36_000 == rows.seen == rows.used + rows.dropped
    assert rows.used == sum(batch.features.rows for batch in threaded.recorder.batches)
    assert {"attach.nothing"} >= set(guard.counts())


def test_calls_are_drained_in_their_order(core: Any) -> None:
    """And in slices of 256 rows."""
    model = core.model()
    for i in range(1000):
        model.predict(np.array([[float(i)]]))
    core.pipeline.flush()
    found = [batch.features.matrix[:, 0].tolist() for batch in core.recorder.batches]
    assert list(map(float, range(1000))) == list(chain.from_iterable(found))
    assert {SLICE_ROWS, 1000 % SLICE_ROWS} == set(map(len, found))


def test_slices_of_big_calls(core: Any) -> None:
    """One call of a million rows is one slice of at most 256; empty batches are bounded too."""
    core.model().predict(np.broadcast_to(np.ones(3), (1_000_000, 3)))
    empty = core.model()
    for _ in range(1000):
        empty.predict(np.ones((0, 3)))
    core.pipeline.flush()
    assert all(batch.features.rows <= MAX_ROWS for batch in core.recorder.batches)
    counts, rows = counts_of(core), core.pipeline.tally.rows[KEY]
    assert (1001, 1_000_000, 1_000_000) == (counts.success, counts.rows, rows.seen)


def test_slices_are_bounded_in_rows(core: Any) -> None:
    """A slice ends with the call that fills it, however many rows the calls have."""
    model = core.model()
    for _ in range(50):
        model.predict(np.ones((100, 3)))
    core.pipeline.flush()
    found = [batch.features.rows for batch in core.recorder.batches]
    assert [300] * 16 + [200] == found


class Raising:
    """A processor that fails at every turn."""

    def __getattr__(self, _: str) -> Any:
        def fail(*_: Any) -> Any:
            raise RuntimeError

        return fail


def test_a_processor_that_raises_loses_only_its_own_rows(core: Any) -> None:
    """The other one gets all, before and after; the faults are counted by where they were."""
    core.use([Raising(), core.recorder])
    model = core.model()
    for _ in range(600):
        model.predict(ROW)
    assert flush()
    assert [] == pipeline.current().points()
    pipeline.current().reset()
    assert 600 == sum(batch.features.rows for batch in core.recorder.batches)
    assert {
        "processor.Raising:RuntimeError": 3 + 1 + 1,  # batches, a tick, a reset
        "bounds.Raising:RuntimeError": 3,
        "points.Raising:RuntimeError": 1,
    } == guard.counts()


def test_buckets_are_those_of_the_first_processor_that_knows(core: Any) -> None:
    """One that does not know, or knows nothing of buckets at all, is no obstacle."""

    class Knowing(type(core.recorder)):  # type: ignore[misc]
        def value_bounds(self, *asked: Any) -> ValueBounds | None:
            questions.append(asked)
            return None if self.gauges else ValueBounds("origin", {"": (1.0, 2.0)})

    questions: list[Any] = []
    core.use([core.recorder, Knowing(gauges=[object()]), Knowing()])
    core.model(lambda _: np.array([1.5])).predict(ROW)
    assert flush()
    assert [(KEY, "predict", ("",))] * 2 == questions
    (histogram,) = pipeline.current().tally.values.values()
    assert ([1.0, 2.0], [0, 1, 0]) == (histogram.bounds.tolist(), histogram.counts.tolist())
    pipeline.current().reset()
    core.model(lambda _: np.array([1.5])).predict(ROW)
    assert flush()
    assert 4 == len(questions)


def test_a_process_that_ends_hands_over_what_it_has_counted(core: Any) -> None:
    """All rows first; a processor that fails does not keep the others from it."""
    core.use([Raising(), core.recorder])
    core.model().predict([[1.0]])
    pipeline.current().hand_over(1.0)

    assert [1] == [batch.features.rows for batch in core.recorder.batches]
    assert [core.clock()] == core.recorder.left


def test_what_there_is_to_tell_is_told_at_the_end_without_the_lock(core: Any) -> None:
    """Sending and writing may be slow: nobody waits for it, and no collection does it."""

    class Telling(type(core.recorder)):  # type: ignore[misc]
        def tell(self, now_s: float) -> None:
            with pipeline.current()._locked(0) as held:
                told.append((now_s, held))

    class Failing(Telling):
        def tell(self, now_s: float) -> None:
            raise RuntimeError

    told: list[tuple[float, bool]] = []
    core.use([Failing(), core.recorder, Telling()])
    with pipeline.current().frozen():
        pass
    pipeline.current().points()
    assert flush()
    assert told == []
    pipeline.current().end(1.0)
    pipeline.current().hand_over(1.0)

    assert [(core.clock(), True)] * 2 == told
    assert guard.counts() == {"tell.Failing:RuntimeError": 2}


def test_the_end_comes_after_all_rows(core: Any) -> None:
    """A processor that fails does not keep the others from it."""
    core.use([Raising(), core.recorder])
    core.model().predict([[1.0]])
    pipeline.current().end(1.0)

    assert [1] == [batch.features.rows for batch in core.recorder.batches]
    assert ([core.clock()], []) == (core.recorder.ended, core.recorder.left)


def test_the_byte_budget_sheds_features_but_no_count(core: Any) -> None:
    """Above it rows come without features until the buffer has emptied."""
    shared.settings = CoreSettings(buffer_bytes=65_536)
    model = core.model()
    wide = np.ones((1, 1000))
    for _ in range(2000):
        model.predict(wide)
    assert 0 == shared.stride
    core.pipeline.flush()
    rows = core.pipeline.tally.rows[KEY]
    assert (2000, 2000) == (counts_of(core).success, rows.seen)
    assert 2000 == rows.used + rows.dropped
    assert 0 < rows.used < 600
    shared.stride = core.pipeline._budget.stride(
        core.clock(), shared.channels.size_bytes(), shared.settings
    )
    used = rows.used
    model.predict(wide)
    core.pipeline.flush()
    assert (1, used + 1) == (shared.stride, rows.used)


def test_big_calls_count_towards_the_byte_budget(core: Any) -> None:
    """Each as it comes: nobody waits for the 256th."""
    shared.settings = CoreSettings(buffer_bytes=65_536)
    model = core.model()
    for _ in range(10):
        model.predict(np.ones((100, 100)))
    core.pipeline.flush()
    rows = core.pipeline.tally.rows[KEY]
    assert (100, 900) == (rows.used, rows.dropped)


def test_the_buffer_is_not_measured_at_each_call(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes as long as there are models; what was added since is added to what was found."""
    shared.settings = CoreSettings(buffer_bytes=1_000_000)
    for number in range(50):
        core.model(class_name=f"Stub{number}").predict(ROW)
    measured: list[int] = []
    measure = Channels.size_bytes

    def counting(channels: Channels) -> int:
        measured.append(measure(channels))
        return measured[-1]

    monkeypatch.setattr(Channels, "size_bytes", counting)
    model = core.model()
    while shared.stride:
        model.predict(np.ones((10, 10)))
    assert 1 <= len(measured) <= 3
    assert 1_000_000 < measured[-1] < 1_100_000
    assert measured[-1] == shared.channels.waiting_bytes


def test_rows_come_back_when_the_buffer_has_emptied(
    threaded: Any, until: Callable[[Callable[[], object]], None]
) -> None:
    """By the background's own doing."""
    shared.settings = CoreSettings(buffer_bytes=65_536)
    model = threaded.model()
    for _ in range(3):
        model.predict(np.ones((100, 100)))
    assert 0 == shared.stride
    until(lambda: shared.stride == 1)
    model.predict(ROW)
    flush()
    assert 101 <= threaded.pipeline.tally.rows[KEY].used


def test_the_caller_drains_when_nobody_else_does(core: Any) -> None:
    """Far above any sane length memory stays bounded, and no count is lost."""
    model = core.model()
    core.model(class_name="Idle").predict(ROW)
    shared.settings = CoreSettings(buffer_bytes=2**40)
    total = MAX_ENTRIES + 3000
    for _ in range(total):
        model.predict(ROW)
    _, channel = shared.channels.all()
    assert len(channel.entries) <= MAX_ENTRIES + SLICE_ROWS
    core.pipeline.flush()
    assert total == counts_of(core).success


def test_an_end_does_not_wait_for_a_drain_that_hangs(core: Any) -> None:
    """What could not be counted in time is left."""
    core.model().predict(ROW)
    with core.pipeline._locked(1):
        core.pipeline.hand_over(0.01)
        core.pipeline.end(0.01)
        assert not core.pipeline.flush(0.01)
    assert [] == core.recorder.batches


def test_a_caller_never_waits_for_the_drain(core: Any) -> None:
    """Where the lock is taken it goes on."""
    model = core.model()
    model.predict(ROW)
    with core.pipeline._locked(1):
        pipeline.help_out()
        model.predict(ROW)
    (channel,) = shared.channels.all()
    assert 2 == len(channel.entries)


def test_helping_out_when_all_is_drained(core: Any) -> None:
    """Somebody else was faster: nothing to do."""
    core.model().predict(ROW)
    core.pipeline.flush()
    pipeline.help_out()
    assert (1, {}) == (core.pipeline.tally.total, guard.counts())


def test_a_fault_while_helping_out_stays_with_us(core: Any) -> None:
    """No channel to drain is none of the caller's business."""
    pipeline.help_out()
    assert {"pipeline.help_out:ValueError": 1} == guard.counts()


def test_a_collection_sees_a_call_that_has_finished(core: Any) -> None:
    """Without waiting for the background; the caller's exception too."""
    model = core.model()
    for i in range(1, 100):
        model.predict(ROW)
        with core.pipeline.frozen() as tally:
            assert i == tally.calls[KEY, "predict"].success


def test_a_collection_does_not_wait_for_ever(
    core: Any, warnings_of: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lock taken elsewhere it shows the counts as they stand, and says so once."""
    monkeypatch.setattr(pipeline, "_COLLECT_TIMEOUT_S", 0.01)
    core.model().predict(ROW)
    core.pipeline.flush()
    core.model().predict(ROW)
    found = []

    def collect() -> None:
        for _ in range(3):
            with core.pipeline.frozen() as tally:
                found.append(tally.calls[KEY, "predict"].success)

    with core.pipeline._locked(1):
        thread = threading.Thread(target=collect)
        thread.start()
        thread.join()
        assert not core.pipeline.flush(0.01)
    assert [1, 1, 1] == found
    assert 1 == len(warnings_of())
    assert {"pipeline.busy": 3} == guard.counts()


def test_a_model_is_shown_at_zero_while_its_first_call_runs(core: Any) -> None:
    """Rates need a first value to start from."""
    seen = []

    def answer(data: Any) -> Any:
        core.pipeline.flush()
        seen.append(core.pipeline.tally.calls[KEY, "predict"].success)
        return data

    core.model(answer).predict(ROW)
    assert [0] == seen


def test_few_calls_wait_for_more(core: Any) -> None:
    """A joined slice is cheaper than many small ones; patience ends."""
    core.model().predict(ROW)
    core.pipeline._drain(few=False)
    assert [] == core.recorder.batches
    core.pipeline._drain(few=True)
    assert 1 == len(core.recorder.batches)


def test_the_background_drains_ticks_and_thins(
    threaded: Any, until: Callable[[Callable[[], object]], None]
) -> None:
    """Without anybody who collects."""
    threaded.model().predict(ROW)
    until(lambda: threaded.recorder.batches and threaded.recorder.ticks)
    assert {threaded.clock()} == set(threaded.recorder.ticks)


def test_a_processor_that_uses_too_much_is_fed_less(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two periods above the budget; every call is still counted."""
    spent = iter(np.arange(0, 1000, 0.5))  # half a second of processor time at each look
    monkeypatch.setattr("tidegauge.pipeline.time.thread_time", lambda: next(spent))
    stride = []

    class Waiting:
        def __init__(self) -> None:
            self.left = 60

        def wait(self, _: float) -> bool:
            self.left -= 1
            core.clock.now_s += 1.0
            stride.append(shared.stride)
            return self.left < 0

    monkeypatch.setattr("tidegauge.pipeline.attach_global", lambda: True)
    core.pipeline._run(Waiting())
    assert {1} == set(stride[:12])
    assert stride == sorted(stride)
    assert stride[-1] >= 32  # half of each second is 25 times the budget of 2 %
    assert not any(value & (value - 1) for value in stride)


def test_nobody_listening_is_one_warning(
    core: Any, warnings_of: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a hundred predictions, not before: an app may set its provider late."""
    monkeypatch.setattr("tidegauge.pipeline.attach_global", lambda: False)
    monkeypatch.setattr(group.current(), "attached", False)
    model = core.model()
    for _ in range(99):
        model.predict(ROW)
    core.pipeline.flush()
    core.pipeline._attach()
    assert [] == warnings_of()
    model.predict(ROW)
    core.pipeline.flush()
    for _ in range(3):
        core.pipeline._attach()
    assert [
        "100 predictions were recorded, but there is no OpenTelemetry MeterProvider to export "
        "them. Call tidegauge_distro.configure(), or run the app under opentelemetry-instrument "
        "with OTEL_METRICS_EXPORTER=tidegauge_prometheus, which serves them on "
        "http://127.0.0.1:9464/metrics."
    ] == warnings_of()
