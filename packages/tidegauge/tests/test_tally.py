"""Slices of calls become counts, histograms and batches: what is counted as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tidegauge.batch import ModelKey, ValueBounds
from tidegauge.channel import CANCELLED, MAX_CHANNELS, MAX_MODELS, Channel, Channels, Trace
from tidegauge.info import ModelInfo, Task
from tidegauge.snapshot import THINNED, take
from tidegauge.tally import MAX_OUTPUTS, Tally
from tidegauge_semconv.metrics import VALUE_BUCKETS

KEY = ModelKey("m")
INFO = ModelInfo("f", "C")
NOW = 1_700_000_000.0


def call(features: Any = None, output: Any = None, **more: Any) -> Any:
    """Return the entry of one call."""
    rows = more.get("rows", 1)
    stride = more.get("stride", 1)
    return (
        more.get("end", NOW), more.get("seconds", 0.001), rows, more.get("failure"),
        features if features is THINNED else take(features, 0, 1),
        take(output, 0, 1), stride, more.get("trace"),
    )  # fmt: skip


def channel(operation: str = "predict", info: ModelInfo = INFO, key: ModelKey = KEY) -> Channel:
    """Return a channel of one model."""
    return Channel(key, operation, info)


@pytest.fixture
def tally(core: Any) -> Tally:
    """Provide counts that start at zero."""
    return Tally()


def row(*values: float) -> Any:
    """Return one row."""
    return np.array([values])


def test_success_error_and_cancelled_are_told_apart(tally: Tally) -> None:
    """An error has a latency and no rows; what was cancelled has neither."""
    entries = [
        call(row(1.0), row(2.0), rows=3, seconds=0.5),
        call(failure="KeyError", rows=5, seconds=0.25),
        call(failure=CANCELLED, rows=7, seconds=9.0),
    ]
    batches = list(tally.add(channel(), entries))
    counts = tally.calls[KEY, "predict"]
    assert (1, {"KeyError": 1}, 1, 3) == (
        counts.success, counts.errors, counts.cancelled, counts.rows,
    )  # fmt: skip
    assert (2, 0.75) == (counts.latency.counts.sum(), counts.latency.total)
    assert (3, 1) == (tally.rows[KEY].seen, len(batches))


def test_only_failures(tally: Tally) -> None:
    """A slice without a success has no batch."""
    entries = [call(failure=CANCELLED), call(failure="KeyError")]
    assert [] == list(tally.add(channel(), entries))
    assert 2 == tally.total


def test_rows_carry_the_end_of_their_call(tally: Tally) -> None:
    """Each row of a call has its time, in the order in which the calls ended."""
    entries = [
        call(np.ones((2, 1)), np.ones(2), rows=2, end=NOW),
        call(np.ones((3, 1)), np.ones(3), rows=3, end=NOW + 1),
    ]
    (batch,) = tally.add(channel(), entries)
    assert [NOW, NOW, NOW + 1, NOW + 1, NOW + 1] == batch.end_times.tolist()


def test_a_batch_says_which_rows_are_of_one_call(tally: Tally) -> None:
    """As sizes of calls, rows used of each; where each call has one row there is nothing to say."""
    two, none, three = np.ones((2, 1)), np.ones((0, 1)), np.ones((3, 1))
    several = [call(x, np.ones(len(x)), rows=len(x)) for x in (two, none, three)]
    (batch,) = tally.add(channel(), [*several, call(row(1.0), np.ones(1))])
    (single,) = tally.add(channel(), [call(row(1.0), np.ones(1))] * 3)

    assert batch.calls is not None
    assert ([2, 0, 3, 1], 6) == (batch.calls.tolist(), batch.end_times.size)
    assert single.calls is None


def test_batches_are_of_one_stride(tally: Tally) -> None:
    """A change of the rate cuts; a call none of whose rows was chosen is in no batch."""
    entries = [
        call(row(1.0)),
        call(row(2.0), stride=4),
        call(THINNED, stride=4),
        call(row(3.0), stride=4),
        call(THINNED, stride=0, rows=2),
        call(row(4.0)),
    ]
    found = [(b.stride, b.features.matrix[:, 0].tolist()) for b in tally.add(channel(), entries)]  # type: ignore[union-attr,index]
    assert [(1, [1.0]), (4, [2.0, 3.0]), (1, [4.0])] == found
    rows = tally.rows[KEY]
    assert (7, 4, 2) == (rows.seen, rows.used, rows.dropped)


def test_unreadable_features_are_dropped_and_counted(tally: Tally) -> None:
    """Their outputs still count."""
    (batch,) = tally.add(channel(), [call(object(), row(0.5)), call(object(), row(0.7))])
    assert batch.features is None
    assert batch.outputs is not None
    assert (2, 2) == (tally.rows[KEY].dropped, batch.outputs.rows)


def test_calls_of_one_row_and_of_many_keep_their_outputs(tally: Tally) -> None:
    """Their outputs come in two forms; with and without readable features none is lost."""
    readable: Callable[[int], Any] = lambda n: np.ones((n, 2), np.float32)  # noqa: E731
    for features in (readable, lambda _: object()):
        entries = [
            call(features(n), row(0.5) if n == 1 else np.full(n, 0.5), rows=n) for n in (1, 3, 1, 2)
        ]
        entries[0] = (*entries[0][:5], [0.5], *entries[0][6:])  # as the wrapper copies small ones
        batches = list(tally.add(channel(), entries))
        assert 7 == sum(batch.outputs.rows for batch in batches if batch.outputs)
        assert all(len(b.end_times) == b.outputs.rows for b in batches if b.outputs)
    assert 14 == tally.values[KEY, ""].counts.sum()


def test_outputs_that_do_not_match_their_rows_are_left_out(tally: Tally) -> None:
    """The features beside them are used; neighbours keep their outputs, each with its features."""
    entries = [
        call(np.full((n, 1), i), output, rows=n)
        for i, (n, output) in enumerate([(1, row(10.0)), (2, None), (2, np.array([12.0, 12.0]))])
    ]
    found = [
        (b.features.matrix[:, 0].tolist(), b.outputs and b.outputs.matrix[:, 0].tolist())  # type: ignore[union-attr,index]
        for b in tally.add(channel(), entries)
    ]
    assert [([0.0], [10.0]), ([1.0, 1.0], None), ([2.0, 2.0], [12.0, 12.0])] == found


def test_columns_are_cut_with_their_outputs(tally: Tally) -> None:
    """Mixed columns too."""
    entries = [call([["a", 1]], row(10.0)), call([["b", 2]], None), call([["c", 3]], row(12.0))]
    found = [
        [column.tolist() for column in b.features.columns or ()]  # type: ignore[union-attr]
        for b in tally.add(channel(), entries)
    ]
    assert [[["a"], [1.0]], [["b"], [2.0]], [["c"], [3.0]]] == found


@pytest.mark.parametrize(
    ("operation", "info", "width", "names"),
    [
        ("predict", INFO, 1, ("",)),
        ("predict", INFO, 3, ("0", "1", "2")),
        ("predict_proba", INFO, 2, ("1",)),
        ("predict_proba", ModelInfo("f", "C", classes=("no", "yes")), 2, ("yes",)),
        ("predict_log_proba", ModelInfo("f", "C", classes=("no", "yes")), 2, ("yes",)),
        ("decision_function", ModelInfo("f", "C", classes=("no", "yes")), 1, ("",)),
        ("decision_function", ModelInfo("f", "C", classes=("a", "b", "c")), 3, ("a", "b", "c")),
        ("predict_proba", ModelInfo("f", "C", classes=("a", "b", "c")), 3, ("a", "b", "c")),
        ("predict_proba", ModelInfo("f", "C", classes=("a", "b", "c")), 4, tuple("0123")),
    ],
)
def test_outputs_are_named(
    tally: Tally, operation: str, info: ModelInfo, width: int, names: tuple[str, ...]
) -> None:
    """By class or by index; of two probabilities the second one's is kept."""
    (batch,) = tally.add(channel(operation, info), [call(row(1.0), np.arange(width)[None, :] / 8)])
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert (names, len(names)) == (batch.outputs.names, batch.outputs.matrix.shape[1])
    assert {(KEY, name) for name in names} == set(tally.values)
    assert (width - 1) / 8 == batch.outputs.matrix[0, -1]


@pytest.mark.parametrize("operation", ["predict", "predict_proba"])
def test_outputs_that_have_names_keep_them(tally: Tally, operation: str) -> None:
    """The columns of a frame, the keys of a dict: all of them, whatever the model's classes."""
    info = ModelInfo("f", "C", classes=("no", "yes"))
    (batch,) = tally.add(channel(operation, info), [call(row(1.0), [{"risk": 0.25, "cost": 3.0}])])
    assert batch.outputs is not None
    assert ("risk", "cost") == batch.outputs.names
    assert {(KEY, "risk"), (KEY, "cost")} == set(tally.values)


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.OUTLIER])
def test_labels_are_no_values(tally: Tally, task: Task) -> None:
    """A class number has no histogram; the batch has it."""
    (batch,) = tally.add(channel(info=ModelInfo("f", "C", task=task)), [call(row(1.0), row(1.0))])
    assert batch.outputs is not None
    assert {} == tally.values


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("task", Task)
def test_a_library_may_know_better_what_is_a_label(tally: Tally, task: Task, labels: bool) -> None:
    """Boosters of classification answer with probabilities, or with labels: their task says not."""
    info = ModelInfo("f", "C", task=task, labels=labels)
    list(tally.add(channel(info=info), [call(row(1.0), row(1.0))]))
    assert (set() if labels else {(KEY, "")}) == set(tally.values)


def test_scores_beside_a_label_are_values(tally: Tally) -> None:
    """Of columns of several kinds the numbers are counted."""
    rows = [{"label": "storm", "score": 0.25}, {"label": "calm", "score": 0.5}]
    list(tally.add(channel("run"), [call(row(1.0, 2.0).T, rows, rows=2)]))
    assert {(KEY, "score")} == set(tally.values)
    assert 2 == tally.values[KEY, "score"].counts.sum()


def test_values_that_are_not_finite_are_left_out(tally: Tally) -> None:
    """NaN has no bucket and no sum."""
    list(tally.add(channel(), [call(row(1.0), row(v)) for v in (0.5, np.nan, np.inf, -2.5)]))
    histogram = tally.values[KEY, ""]
    assert (2, -2.0) == (histogram.counts.sum(), histogram.total)


def test_values_follow_the_highest_operation(tally: Tally) -> None:
    """One that tells more starts the values anew; one that tells less adds none."""
    steps: list[tuple[str, dict[str, float]]] = []
    for operation, output in [
        ("decision_function", row(5.0)),
        ("predict", row(3.0)),
        ("decision_function", row(5.0)),
        ("predict_proba", row(0.25, 0.75)),
        ("predict", row(3.0)),
        ("predict_proba", row(0.25, 0.75)),
    ]:
        list(tally.add(channel(operation), [call(row(1.0), output)]))
        steps.append((operation, {name: h.total for (_, name), h in tally.values.items()}))
    assert [
        ("decision_function", {"": 5.0}),
        ("predict", {"": 3.0}),
        ("decision_function", {"": 3.0}),
        ("predict_proba", {"1": 0.75}),
        ("predict", {"1": 0.75}),
        ("predict_proba", {"1": 1.5}),
    ] == steps


def test_buckets_end_where_a_reference_says(core: Any) -> None:
    """Of the outputs that it knows; another reference starts the model's values anew."""
    offered = ValueBounds("one", {"a": (0.5,)})
    tally = Tally(lambda *_: offered)
    info = ModelInfo("f", "C", classes=("a", "b", "c"))
    other = ModelKey("other")

    def take(key: ModelKey = KEY) -> dict[str, tuple[list[float], float, float | None]]:
        proba = channel("predict_proba", info, key=key)
        list(tally.add(proba, [call(row(1.0), row(0.25, 0.5, 0.25))]))
        return {
            name: (h.bounds.tolist(), h.counts.sum(), h.start_s)
            for (model, name), h in tally.values.items()
            if model == key
        }

    began, usual = core.clock(), list(VALUE_BUCKETS)
    take(other)
    core.clock.now_s += 100
    assert {"a": ([0.5], 1, began), "b": (usual, 1, began), "c": (usual, 1, began)} == take()
    offered = ValueBounds("one", {"b": (9.0,)})
    assert ([0.5], 2, began) == take()["a"]
    offered = ValueBounds("two", {"b": (9.0,)})
    now = core.clock()
    assert {"a": (usual, 1, now), "b": ([9.0], 1, now), "c": (usual, 1, now)} == take()
    core.clock.now_s -= 50  # set back
    offered = ValueBounds()
    starts = {name: start for name, (_, _, start) in take().items()}
    assert len(set(starts.values())) == 1
    assert (starts["a"] or 0) > now
    assert began == tally.values[other, "a"].start_s


def test_only_the_operation_that_is_shown_is_asked_about(core: Any) -> None:
    """Rows of another one cost no question, and change no bucket."""
    asked: list[str] = []

    def find(_: ModelKey, operation: str, __: tuple[str, ...]) -> ValueBounds:
        asked.append(operation)
        return ValueBounds(operation)

    tally = Tally(find)
    for operation in ("predict", "predict_proba", "predict", "predict_proba"):
        list(tally.add(channel(operation), [call(row(1.0), row(1.0))]))
    assert ["predict", "predict_proba", "predict_proba"] == asked
    assert 2 == tally.values[KEY, ""].counts.sum()


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0), (1.0, np.inf), (np.nan,)])
def test_bounds_out_of_order_are_refused(bounds: tuple[float, ...]) -> None:
    """Where they are offered, not where they would count wrongly."""
    with pytest.raises(ValueError, match="expected finite numbers, each above the one before"):
        ValueBounds("drift", {"": bounds})


def test_values_of_one_model_do_not_touch_anothers(tally: Tally) -> None:
    """Each model has its own highest operation."""
    other = ModelKey("other")
    list(tally.add(channel("predict", key=other), [call(row(1.0), row(3.0))]))
    list(tally.add(channel("predict"), [call(row(1.0), row(1.0))]))
    list(tally.add(channel("predict_proba"), [call(row(1.0), row(0.5, 0.5))]))
    found = {(key.name, name): h.total for (key, name), h in tally.values.items()}
    assert {("other", ""): 3.0, ("m", "1"): 0.5} == found


def test_outputs_are_limited(tally: Tally, warnings_of: Callable[[], list[str]]) -> None:
    """Fifty are told apart; the rest is counted together, and one line says so."""
    for _ in range(2):
        list(tally.add(channel(), [call(row(1.0), np.full((1, 70), 0.5))]))
    found = {name: int(h.counts.sum()) for (_, name), h in tally.values.items()}
    assert {str(i): 2 for i in range(MAX_OUTPUTS)} | {"other": 40} == found
    assert [
        "Model 'm' has more than 50 outputs: the values of further ones are counted together as "
        "'other'."
    ] == warnings_of()


def test_outputs_of_a_higher_operation_are_told_apart_anew(tally: Tally) -> None:
    """What the lower one had does not count against them."""
    for operation in ("decision_function", "predict_proba"):
        list(tally.add(channel(operation), [call(row(1.0), np.full((1, MAX_OUTPUTS), 0.5))]))
        assert {str(i) for i in range(MAX_OUTPUTS)} == {name for _, name in tally.values}


def test_models_are_limited(core: Any, warnings_of: Callable[[], list[str]]) -> None:
    """A thousand are told apart; the rest is one model, and one line says so."""
    channels = Channels()
    for i in range(MAX_MODELS + 20):
        channels.get(ModelKey(f"m{i}"), "predict", INFO)
    keys = {found.key for found in channels.all()}
    assert (MAX_MODELS + 1, True) == (len(keys), ModelKey("other") in keys)
    assert [
        "More than 1000 models in this process: further ones are counted as model 'other'. Name "
        "models by what they do, not by instance."
    ] == warnings_of()


def test_channels_are_limited(core: Any) -> None:
    """A process that fits model after model, each with other names, does not grow for ever."""
    channels = Channels()
    for i in range(MAX_CHANNELS + 50):
        channels.get(KEY, "predict", ModelInfo("f", "C", feature_names=(str(i),)))
    assert MAX_CHANNELS + 1 == len(channels.all())
    assert channels.all()[-1].info.feature_names is None


def test_a_channel_is_found_again(core: Any) -> None:
    """One for a model, operation and what is known of the model."""
    channels = Channels()
    one = channels.get(KEY, "predict", INFO)
    assert one is channels.get(KEY, "predict", ModelInfo("f", "C"))
    assert one is not channels.get(KEY, "predict", ModelInfo("f", "C", classes=("a",)))
    assert one is not channels.get(KEY, "predict_proba", INFO)


def test_exemplars_are_slower_than_the_p95_so_far(tally: Tally) -> None:
    """The calls that somebody looks for; before there is a p95, any call."""
    target = channel()
    list(tally.add(target, [call(seconds=0.004, trace=Trace(1, 1, "p1"))]))
    list(tally.add(target, [call(seconds=0.002) for _ in range(400)]))
    slices = [(0.0021, 2), (0.2, 3), (0.0001, 4), (0.003, 5), (20.0, 6)]
    for seconds, trace_id in slices:
        list(tally.add(target, [call(seconds=seconds, trace=Trace(trace_id, 1, "p"))]))
    latency = tally.calls[KEY, "predict"].latency
    found = {e.value: e.trace_id for e in latency.exemplars.values()}
    assert {0.003: 5, 0.2: 3, 20.0: 6} == found
    for cell, exemplar in latency.exemplars.items():
        upper = latency.bounds[cell] if cell < len(latency.bounds) else np.inf
        assert latency.bounds[cell - 1] < exemplar.value <= upper


def test_exemplars_when_all_calls_are_beyond_the_last_bucket(tally: Tally) -> None:
    """A p95 above 10 s does not make every fast call look slow."""
    list(tally.add(channel(), [call(seconds=30.0) for _ in range(100)]))
    entries = [call(seconds=s, trace=Trace(i, 1, "p")) for i, s in enumerate((0.1, 30.0))]
    list(tally.add(channel(), entries))
    found = [e.value for e in tally.calls[KEY, "predict"].latency.exemplars.values()]
    assert [30.0] == found
