"""The counts of several processes are those of one process that saw all calls."""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegauge import codec, guard, totals
from tidegauge.batch import GaugePoint, ModelKey
from tidegauge.channel import CANCELLED, OTHER, Channel, Trace
from tidegauge.counts import Exemplar
from tidegauge.exact import Exact
from tidegauge.info import ModelInfo
from tidegauge.points import HistogramPoint, Point, SumPoint
from tidegauge.request import Request
from tidegauge.snapshot import take
from tidegauge.tally import Tally
from tidegauge.totals import Totals, comparable, difference, identity, merge, of_tally, shown
from tidegauge_semconv import Kind, Merge, MetricSpec, metrics

NOW = 1_700_000_000.0
FEW = 3

SMALL = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_calls(seconds: st.SearchStrategy[float], outputs: st.SearchStrategy[float]) -> Any:
    """Draw calls of few models, operations and errors."""
    return st.tuples(
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(["decision_function", "predict", "predict_proba", "mine", "yours"]),
        seconds,
        outputs,
        st.sampled_from([None, None, None, CANCELLED, "A", "B", "C", "D", "E", "F"]),
        st.sampled_from(
            [None, Trace(1, 2, "p"), Trace(3, 4, "q"), Trace(0, 0, "", Request("/r", "i"))]
        ),
    )


CALL = some_calls(st.floats(0, 100), st.floats(-1e6, 1e6))
# One process rounds each time that it adds: with these numbers it need not.
EVEN_CALL = some_calls(
    st.integers(0, 400).map(lambda number: number / 64),
    st.integers(-64, 64).map(lambda number: number / 4),
)


@pytest.fixture
def few(core: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let three of everything be told apart."""
    monkeypatch.setattr(totals, "MAX_MODELS", FEW)
    limits = {metric: (name, FEW) for metric, (name, _) in totals._LIMITS.items()}
    monkeypatch.setattr(totals, "_LIMITS", limits)
    return core


def counted(calls: Sequence[Any]) -> Totals:
    """Return the counts of a process that saw these calls."""
    tally = Tally()
    add(tally, calls)
    return of_tally(tally)


def add(tally: Tally, calls: Sequence[Any]) -> None:
    """Count calls."""
    for model, operation, seconds, value, failure, trace in calls:
        channel = Channel(ModelKey(model), operation, ModelInfo("f", "C"))
        output = take(np.array([[value, value / 2]]), 0, 1)
        entry = (NOW, seconds, 1, failure, None, output, 1, trace)
        list(tally.add(channel, [entry]))


def plain(found: Totals, *, exemplars: bool = True) -> dict[Any, Any]:
    """Return counts in a form that can be compared."""
    points: dict[Any, Any] = {}
    for point in found.points:
        if isinstance(point, SumPoint):
            points[identity(point)] = (point.value, point.start_s)
        else:
            points[identity(point)] = (
                point.counts.tolist(), float(point.total), point.low, point.high, point.log,
                point.zeros,
                point.exemplars if exemplars else (),
                point.start_s if exemplars else None,
            )  # fmt: skip
    assert len(points) == len(found.points)
    return {"start_s": found.start_s, "operations": dict(found.operations), **points}


@SMALL
@given(st.lists(st.tuples(EVEN_CALL, st.integers(0, 3)), max_size=30))
def test_several_processes_count_what_one_would(core: Any, calls: list[Any]) -> None:
    """Whoever saw which call: all counts, and the values of the most telling operation."""
    guard.reset()
    workers: list[list[Any]] = [[] for _ in range(4)]
    for call, worker in calls:
        workers[worker].append(call)
    one = counted([call for call, _ in calls])
    # Of two operations that tell equally little a process follows the first, several the last.
    alike = {"mine", "yours"}
    clear = all(
        not alike <= {call[1] for call, _ in calls if call[0] == model} for model in "abcde"
    )
    several = shown(merge([counted(worker) for worker in workers]))
    expected, found = plain(merge([one]), exemplars=False), plain(several, exemplars=False)
    if not clear:
        for every in (expected, found):
            every.pop("operations")
        expected = {k: v for k, v in expected.items() if k[0] != "model.prediction.value"}
        found = {k: v for k, v in found.items() if k[0] != "model.prediction.value"}
    assert expected == found


@SMALL
@given(st.lists(st.lists(CALL, max_size=12), min_size=3, max_size=3))
def test_the_order_of_adding_makes_no_difference(few: Any, workers: list[Any]) -> None:
    """Associative and commutative, past every limit too: an archive is as good as its parts."""
    a, b, c = map(counted, workers)
    expected = plain(merge([a, b, c]))
    assert expected == plain(merge([c, a, b]))
    assert expected == plain(merge([merge([a, b]), c]))
    assert expected == plain(merge([a, merge([b, c])]))
    assert expected == plain(merge([merge([a, b, c])]))
    assert expected == plain(merge([Totals(), a, b, c]))


@SMALL
@given(st.lists(st.lists(CALL, max_size=15), min_size=2, max_size=4))
def test_past_the_limits_nothing_is_lost(few: Any, workers: list[Any]) -> None:
    """Three models, errors and outputs are told apart; the rest is ``other``."""
    parts = [counted(worker) for worker in workers]
    found = merge(parts)
    models = {point.attributes[:2] for point in found.points}
    assert len(models) <= FEW + 1
    for spec in (metrics.MODEL_REQUESTS, metrics.MODEL_ERRORS, metrics.MODEL_CANCELLED):
        assert count(found, spec) == sum(count(part, spec) for part in parts)
    per_model = Counter(p.attributes[:3] for p in found.points if p.spec is metrics.MODEL_ERRORS)
    assert max(per_model.values(), default=0) <= FEW + 1


def count(found: Totals, spec: MetricSpec) -> float:
    """Return all that a metric counts."""
    return sum(p.value for p in found.points if p.spec is spec and isinstance(p, SumPoint))


@SMALL
@given(st.lists(st.lists(CALL, max_size=8), min_size=2, max_size=6))
def test_changes_add_up_though_names_become_other(few: Any, steps: list[Any]) -> None:
    """A count that has moved to ``other`` is no change of it; none is negative."""
    before, so_far = Totals(), []
    sums: Counter[Any] = Counter()
    for step in steps:
        so_far.append(counted(step))
        now = shown(merge(so_far))
        known = comparable(before, now)
        for point in now.points:
            old = known.get(identity(point))
            change = point if old is None else difference(point, old)
            if isinstance(change, SumPoint):
                assert change.value >= 0
                sums[change.spec.name] += int(change.value)
            elif change.spec is metrics.MODEL_REQUEST_LATENCY:
                assert (change.counts >= 0).all()
                sums[change.spec.name] += int(change.counts.sum())
        before = now
    assert sums["model.requests"] == count(before, metrics.MODEL_REQUESTS)
    assert sums["model.errors"] == count(before, metrics.MODEL_ERRORS)
    expected = sum(p.counts.sum() for p in before.points if p.spec is metrics.MODEL_REQUEST_LATENCY)  # type: ignore[union-attr]
    assert sums["model.request.latency"] == expected


def values(
    start_s: float = NOW, bounds: Sequence[float] = (0.0, 1.0), **more: Any
) -> HistogramPoint:
    """Return a histogram of one value in the first bucket."""
    edges = np.array(bounds)
    numbers = np.zeros(len(edges) + 1)
    numbers[0] = more.pop("number", 1)
    return HistogramPoint(
        metrics.MODEL_REQUEST_LATENCY, ("m", "", "predict"), edges, numbers, Exact((-1.0,)),
        -1.0, -1.0, more.pop("exemplars", ()), start_s, **more,
    )  # fmt: skip


def test_the_newest_bounds_win(core: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Histograms that differ in bounds cannot be added: one line says so, and nothing fails."""
    caplog.set_level(logging.INFO, "tidegauge")
    old = values(NOW, number=5)
    new = values(NOW + 9, (0.0, 2.0), number=2)
    # Another reference was tried, and taken back.
    old_again = values(NOW + 20, number=7)
    for parts, bounds, number in (
        ([old, new], [0.0, 2.0], 2),
        ([new, old], [0.0, 2.0], 2),
        ([old, new, old_again], [0.0, 1.0], 12),
        ([old_again, new, old], [0.0, 1.0], 12),
    ):
        once, twice = (shown(merge(found)) for found in (_parts(parts), [merge(_parts(parts))]))
        (point,) = once.points
        assert isinstance(point, HistogramPoint)
        assert (bounds, number, NOW + 9 * (number == 2)) == (
            point.bounds.tolist(), point.counts.sum(), point.start_s,
        )  # fmt: skip
        assert same(once.points, twice.points)
    assert [
        "model.request.latency: it was counted between different bounds, as it is when a model has "
        "got another reference. The counts between the older bounds are left out."
    ] == [record.getMessage() for record in caplog.records]


def _parts(points: Sequence[Point]) -> list[Totals]:
    return [Totals(NOW, (point,)) for point in points]


def test_counts_that_have_fallen_are_no_change(core: Any) -> None:
    """What others had counted is lost: nobody made fewer calls, and none is made up."""
    before = values(number=5)
    change = difference(values(number=3), before)
    assert isinstance(change, HistogramPoint)
    assert (0, 0.0, NOW) == (change.counts.sum(), float(change.total), change.start_s)


def test_a_fine_form_that_one_lacks_is_left_out(core: Any) -> None:
    """Half a fine form would say that the other calls were not made."""
    (point,) = merge([Totals(NOW, (values(log=log),)) for log in (Counter({3: 1}), None)]).points
    assert isinstance(point, HistogramPoint)
    assert (None, 2) == (point.log, point.counts.sum())


def test_each_bucket_keeps_its_newest_exemplar(core: Any) -> None:
    """Whoever made the call."""
    a, b, c = (Exemplar(v, NOW + t, t, t, "p") for v, t in ((-1.0, 1), (-2.0, 2), (0.5, 0)))
    parts = [Totals(NOW, (values(exemplars=found),)) for found in ((a,), (c, b))]
    (point,) = merge(parts).points
    assert (b, c) == point.exemplars  # type: ignore[union-attr]


def test_values_of_a_worker_that_saw_a_more_telling_operation(core: Any) -> None:
    """They alone count, even if they are none: labels have no values."""
    scores = counted([("m", "decision_function", 0.1, 3.0, None, None)])
    labels = Totals(NOW, (), {ModelKey("m"): "predict"})
    assert any(point.spec is metrics.MODEL_PREDICTION_VALUE for point in merge([scores]).points)
    found = merge([scores, labels])
    assert {ModelKey("m"): "predict"} == found.operations
    assert not any(point.spec is metrics.MODEL_PREDICTION_VALUE for point in found.points)


def test_values_that_begin_anew_are_no_change_of_the_old(core: Any) -> None:
    """With a more telling operation the whole counts, even if the numbers have grown."""
    before = merge([counted([("m", "predict", 0.1, 3.0, None, None)])])
    now = merge([before, counted([("m", "predict_proba", 0.1, 3.0, None, None)] * 2)])
    known = comparable(before, now)
    (point,) = [p for p in now.points if p.spec is metrics.MODEL_PREDICTION_VALUE]
    assert (2, False) == (point.counts.sum(), identity(point) in known)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((5, NOW), (8, NOW), 3),
        ((5, NOW), (3, NOW), 0),
        ((5, NOW), (8, NOW + 1), 8),
        ((5, None), (8, None), 3),
    ],
)
def test_a_sum_that_began_anew_is_counted_whole(before: Any, now: Any, expected: float) -> None:
    """It says so; one that has fallen has lost counts, and made none."""
    old, new = (SumPoint(metrics.TIDEGAUGE_ROWS, ("m", "", "x"), *found) for found in (before, now))
    assert expected == difference(new, old).value  # type: ignore[union-attr]


def test_the_smallest_names_are_told_apart(few: Any) -> None:
    """Whatever the order: so every process and every archive leaves out the same."""
    failures = [f"Error{i}" for i in (7, 3, 9, 1, 5)]
    found = merge([counted([("m", "predict", 0.1, 1.0, name, None)]) for name in failures])
    errors = {p.attributes[-1]: p.value for p in found.points if p.spec is metrics.MODEL_ERRORS}  # type: ignore[union-attr]
    assert {"Error1": 1, "Error3": 1, "Error5": 1, "other": 2} == errors


def test_a_model_that_is_called_other_is_the_other(few: Any) -> None:
    """It takes no model's place."""
    calls = [(name, "predict", 0.1, 1.0, None, None) for name in ("other", "a", "b", "c", "d")]
    found = merge([counted(calls)])
    requests = {
        p.attributes[0]: p.value  # type: ignore[union-attr]
        for p in found.points
        if p.spec is metrics.MODEL_REQUESTS and p.attributes[-1] == "success"
    }
    assert {"a": 1, "b": 1, "c": 1, OTHER.name: 2} == requests


# -- bytes -----------------------------------------------------------------------------------------

FLOAT = st.floats(allow_nan=False)
TEXT = st.text(max_size=5)
EXEMPLAR = st.builds(
    Exemplar,
    FLOAT,
    FLOAT,
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    TEXT,
    TEXT,
    TEXT,
)


@st.composite
def any_point(draw: st.DrawFn) -> Point:
    """Draw any point that there can be."""
    spec = draw(st.sampled_from([metrics.MODEL_REQUESTS, metrics.MODEL_PREDICTION_VALUE, MINE]))
    values = tuple(draw(TEXT) for _ in spec.attributes)
    start = draw(st.none() | FLOAT)
    if spec.kind is Kind.COUNTER:
        return SumPoint(spec, values, draw(st.integers(0, 2**70) | FLOAT), start)
    bounds = draw(st.lists(FLOAT, max_size=4))
    counts = draw(
        st.lists(st.integers(0, 2**53), min_size=len(bounds) + 1, max_size=len(bounds) + 1)
    )
    log = draw(st.none() | st.dictionaries(st.integers(-2000, 2000), st.integers(1, 2**60)))
    return HistogramPoint(
        spec, values, np.array(bounds), np.array(counts, dtype=float), Exact((draw(FLOAT),)),
        draw(FLOAT), draw(FLOAT), tuple(draw(st.lists(EXEMPLAR, max_size=2))), start,
        None if log is None else Counter(log), draw(st.integers(0, 9)), draw(st.none() | FLOAT),
    )  # fmt: skip


MINE = MetricSpec("my.count", Kind.COUNTER, "{x}", "Mine.", ("a", "b"), Merge.SUM)


def same(one: Sequence[Point], two: Sequence[Point]) -> bool:
    """Compare points exactly, arrays among them."""

    def form(point: Point) -> str:
        if isinstance(point, SumPoint):
            return repr(point)
        return repr(replace(point, counts=point.counts.tolist(), bounds=point.bounds.tolist()))

    return [form(p) for p in one] == [form(p) for p in two]


@SMALL
@given(
    st.lists(any_point(), max_size=5),
    FLOAT,
    st.dictionaries(st.builds(ModelKey, TEXT, TEXT), TEXT, max_size=3),
)
def test_counts_come_back_as_they_were(found: list[Point], start: float, operations: Any) -> None:
    """Every number to the last bit, any text."""
    written = codec.encode(Totals(start, tuple(found), operations), last_ns=2**62 + 1)
    read, more = codec.decode(written)
    assert (start, operations, 2**62 + 1) == (read.start_s, read.operations, more["last_ns"])
    assert same(found, read.points)


@SMALL
@given(st.lists(st.lists(CALL, max_size=4), max_size=6), st.booleans())
def test_what_is_written_again_and_again_is_what_was_counted(
    core: Any, batches: list[list[Any]], fault: bool
) -> None:
    """In any order of calls, faults of ours among them: no line is an old one."""
    guard.reset()
    tally = Tally()
    writer = codec.Writer(tally)
    more = [SumPoint(MINE, ("x", "y"), 7, NOW)]
    for calls in batches:
        add(tally, calls)
        if fault and calls:
            guard.fault("x")
        now = of_tally(tally)
        read, header = codec.decode(writer.write(more, {"told": []}))
        assert same([*now.points, *more], read.points)
        assert (now.start_s, now.operations, []) == (read.start_s, read.operations, header["told"])


def test_only_what_has_changed_is_written_anew(core: Any) -> None:
    """The background of a thousand models has little to do when one of them is called."""
    tally, call = Tally(), ("predict", 0.5, 1.0, None, None)
    writer = codec.Writer(tally)
    add(tally, [("a", *call), ("b", *call)])
    writer.write((), {})
    before = dict(writer._written)
    add(tally, [("b", *call)])
    writer.write((), {})
    changed = {name for name, found in writer._written.items() if found is not before[name]}
    key = ModelKey("b")
    values = {("value", (key, output)) for output in ("0", "1")}
    assert {("call", (key, "predict")), ("rows", key), *values} == changed


def test_an_exemplar_without_a_request_is_written_as_older_releases_read_it(core: Any) -> None:
    """Workers of two releases serve side by side while one replaces the other."""
    old, new = Exemplar(-1.0, NOW, 1, 2, "p"), Exemplar(-2.0, NOW, 0, 0, "", "r-1", "/r")
    written = codec.encode(Totals(NOW, (values(exemplars=(old, new)),))).decode()
    assert f'[-1.0,{NOW},"1","2","p"]' in written
    assert f'[-2.0,{NOW},"0","0","","r-1","/r"]' in written


def test_gauges_come_back_as_they_were() -> None:
    """And the counts among them."""
    found: list[GaugePoint | SumPoint] = [
        GaugePoint(metrics.DRIFT_WINDOW_ROWS, ("m", "1", "r", "w"), 0.1),
        SumPoint(MINE, ("x", "y\n"), 7, NOW),
        GaugePoint(metrics.DRIFT_WINDOW_ROWS, ("m", "1", "r", "v"), math.inf),
    ]
    assert found == codec.decode_gauges(codec.encode_gauges(found))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[]", b"{}", b'{"version": 2}', b'{"version": 1}', b"null", b"7\n8"],
)
def test_what_another_release_wrote_is_refused(payload: bytes) -> None:
    """By one kind of exception."""
    for read in (codec.decode, codec.decode_gauges):
        with pytest.raises(codec.UnreadableError):
            read(payload)


@given(st.data())
def test_whatever_the_bytes_nothing_else_is_raised(data: st.DataObject) -> None:
    """The checksum was right, so somebody wrote this."""
    written = codec.encode(Totals(NOW, (values(),), {ModelKey("m"): "predict"}))
    position = data.draw(st.integers(0, len(written) - 1))
    changed = written[:position] + data.draw(st.binary(max_size=3)) + written[position + 1 :]
    for read in (codec.decode, codec.decode_gauges):
        try:
            read(changed)
        except codec.UnreadableError:
            continue


def test_a_metric_that_another_release_has_otherwise_is_left_out() -> None:
    """Attributes of another number are another metric; the others are read."""
    other = replace(metrics.MODEL_REQUESTS, attributes=("model_name",))
    renamed = replace(metrics.MODEL_CANCELLED, description="Another text.")
    found = [
        SumPoint(other, ("m",), 1),
        SumPoint(renamed, ("m", "", "p"), 2),
        SumPoint(MINE, ("a", "b"), 3),
    ]
    read, _ = codec.decode(codec.encode(Totals(NOW, tuple(found))))
    expected = [SumPoint(metrics.MODEL_CANCELLED, ("m", "", "p"), 2), SumPoint(MINE, ("a", "b"), 3)]
    assert expected == list(read.points)


def test_workers_counts_through_bytes(core: Any) -> None:
    """What is published and read adds up as what is in memory does."""
    draw = random.Random(3)
    calls = [
        (draw.choice("ab"), "predict", draw.randrange(640) / 64, draw.randrange(64) / 8, None, None)
        for _ in range(200)
    ]
    parts = [counted(calls[i::4]) for i in range(4)]
    read = [codec.decode(codec.encode(part))[0] for part in parts]
    assert plain(merge(parts)) == plain(merge(read))
