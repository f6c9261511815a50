"""The wrapper: the app's call is as it was, and what is recorded of it is true."""

from __future__ import annotations

import asyncio
import functools
import gc
import pickle
import traceback
import weakref
from collections.abc import Callable
from itertools import chain
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tidegauge import guard, set_model_info
from tidegauge.batch import ModelKey
from tidegauge.calls import Calls
from tidegauge.info import ModelInfo
from tidegauge.observe import is_wrapper, observer, suppressor
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge.snapshot import MAX_COLUMNS

KEY = ModelKey("Stub")
ROW = np.ones((1, 3))


def total(core: Any) -> int:
    """Return how many calls were recorded."""
    assert core.pipeline.flush()
    return int(core.pipeline.tally.total)


def table(core: Any, features: Any, answer: Callable[[Any], object] = len) -> Any:
    """Return the batch of one call."""
    core.model(answer).predict(features)
    core.pipeline.flush()
    return core.recorder.batches[-1] if core.recorder.batches else None


def test_result_and_arguments_pass_through(core: Any) -> None:
    """The same objects, by position or keyword, also where the call is wrong."""

    class Plain:
        def predict(self, X: Any, *more: Any, **options: Any) -> Any:  # noqa: N803
            return X, more, options

    original = Plain.predict
    wrapped = observer("predict", lambda _: ModelInfo("f", "C"))(original)
    model = Plain()
    data, extra = object(), object()
    assert (data, (), {}) == wrapped(model, data)
    assert (data, (extra,), {"k": extra}) == wrapped(model, data, extra, k=extra)
    assert (data, (), {"k": extra}) == wrapped(model, X=data, k=extra)
    with pytest.raises(TypeError) as caught:
        wrapped(model)
    assert "predict() missing 1 required positional argument: 'X'" in str(caught.value)
    assert 4 == total(core)


def test_features_by_keyword_are_read(core: Any) -> None:
    """Under the name that the library gives them."""

    class Plain:
        def predict(self, X: Any = None, *, data: Any = None) -> Any:  # noqa: N803
            return X if data is None else data

    named = observer("predict", lambda _: ModelInfo("f", "C"), argument="data")(Plain.predict)
    named(Plain(), data=ROW)
    core.pipeline.flush()
    (batch,) = core.recorder.batches
    assert [[1.0, 1.0, 1.0]] == batch.features.matrix.tolist()


def test_an_exception_goes_on_as_it_was(core: Any) -> None:
    """The same object, its traceback ending where it was raised; counted by its type."""
    error = LookupError("no such row")

    def answer(_: Any) -> Any:
        raise error

    with pytest.raises(LookupError) as caught:
        core.model(answer).predict(ROW)
    assert error is caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "answer" == traceback.extract_tb(caught.value.__traceback__)[-1].name
    assert 1 == total(core)
    assert {"LookupError": 1} == core.pipeline.tally.calls[KEY, "predict"].errors


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_a_cancelled_call_is_no_error(core: Any, kind: type[BaseException]) -> None:
    """It goes on, and recording goes on after it."""

    def answer(_: Any) -> Any:
        raise kind

    with pytest.raises(kind):
        core.model(answer).predict(ROW)
    core.model().predict(ROW)
    assert 2 == total(core)
    counts = core.pipeline.tally.calls[KEY, "predict"]
    assert (1, 1, {}) == (counts.success, counts.cancelled, counts.errors)


@pytest.mark.parametrize(
    "key",
    [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"],
    ids=["new", "old"],  # the new one is another in each process
)
def test_opentelemetrys_own_suppression_holds(core: Any, key: str) -> None:
    """Exporters set it, so that they do not observe themselves."""
    model = core.model()
    token = context.attach(context.set_value(key, True))
    model.predict(ROW)
    context.detach(token)
    assert 0 == total(core)
    model.predict(ROW)
    assert 1 == total(core)


# -- spans -----------------------------------------------------------------------------------------


def test_a_recording_span_names_the_model(core: Any) -> None:
    """With a prediction id of its own for each call; a slow call points back to its trace."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    model = core.model()
    set_model_info(model, "fraud", "3")
    with provider.get_tracer("t").start_as_current_span("request"):
        model.predict(ROW)
    (span,) = exporter.get_finished_spans()
    attributes = dict(span.attributes or {})
    prediction_id = attributes.pop("prediction_id")
    assert {"model_name": "fraud", "model_version": "3"} == attributes
    core.pipeline.flush()
    latency = core.pipeline.tally.calls[ModelKey("fraud", "3"), "predict"].latency
    (exemplar,) = latency.exemplars.values()
    assert span.context is not None
    assert (span.context.trace_id, span.context.span_id, prediction_id) == (
        exemplar.trace_id, exemplar.span_id, exemplar.prediction_id,
    )  # fmt: skip


def test_a_span_that_is_not_recorded_is_left_alone(core: Any) -> None:
    """It gets no attributes, and no exemplar points to it."""
    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("t").start_as_current_span("request"):
        core.model().predict(ROW)
    assert 1 == total(core)
    assert {} == core.pipeline.tally.calls[KEY, "predict"].latency.exemplars


def test_a_broken_span_costs_its_exemplar_alone(core: Any) -> None:
    """Somebody else's span class may raise; the call is served and counted."""

    class Broken(trace.NonRecordingSpan):
        def is_recording(self) -> bool:
            raise RuntimeError

    with trace.use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
        assert core.model().predict(ROW) is ROW
    assert 1 == total(core)


# -- faults of ours --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["lookup", "sample", "outputs", "check", "trace", "append", "clock"]
)
def test_a_fault_in_any_hook_is_not_the_apps(
    core: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prediction is served and counted with its rows, and so is the fault."""

    def boom(*_: Any) -> Any:
        raise RuntimeError

    model = core.model()
    model.predict(np.ones((2, 3)))
    (channel,) = shared.channels.all()
    wrapper: Any = type(model).predict
    owner = {"append": channel, "clock": shared, "trace": Calls}.get(name, wrapper.__tidegauge__)
    rows = np.ones((2, 3))
    span = TracerProvider().get_tracer("t").start_as_current_span("request")
    with monkeypatch.context() as broken, span:
        broken.setattr(owner, name, boom)
        assert model.predict(rows) is rows
    lost = name == "lookup"
    assert {f"{'lost' if lost else 'record'}.predict:RuntimeError": 1} == guard.counts()
    assert (1 if lost else 2) == total(core)


def test_a_model_that_cannot_be_described_is_recorded(core: Any) -> None:
    """By its class."""

    class Odd:
        def predict(self, data: Any) -> Any:
            return data

    def describe(_: object) -> ModelInfo:
        raise AttributeError

    observer("predict", describe)(Odd.predict)(Odd(), ROW)
    assert 1 == total(core)
    assert {"Odd"} == {key.name for key, _ in core.pipeline.tally.calls}
    assert {"record.predict:AttributeError": 1} == guard.counts()


# -- what is copied --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "rows"),
    [
        (np.ones((1, 3)), 1),
        (np.ones((1, 3), np.float32), 1),
        (np.ones((1, 3), order="F"), 1),
        (np.ones((5, 3)), 5),
        (np.ones(3), 3),
        ([[1.0, 2.0]], 1),
        (pd.DataFrame(np.ones((2, 3))), 2),
    ],
)
def test_rows_are_counted_and_read(core: Any, features: Any, rows: int) -> None:
    """The short way for one float64 row and the long way say the same."""
    assert rows == table(core, features).features.rows
    assert rows == core.pipeline.tally.calls[KEY, "predict"].rows


@pytest.mark.parametrize(
    "features",
    [
        np.array(1.0),
        np.ones((1, 2, 2)),
        np.ones((1, MAX_COLUMNS + 1)),
        "a text",
        None,
        object(),
    ],
)
def test_what_is_no_table_is_counted_only(core: Any, features: Any) -> None:
    """One row that was dropped, and no fault."""
    batch = table(core, features, lambda _: None)
    assert (None, {}) == (batch, guard.counts())
    rows = core.pipeline.tally.rows[KEY]
    assert (1, 0, 1) == (rows.seen, rows.used, rows.dropped)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (np.array([0.5]), [[0.5]]),
        (np.array([[0.25, 0.75]]), [[0.75]]),
        (np.array([0.5], np.float32), [[0.5]]),
        (np.array([3]), [[3.0]]),
        ([0.5], [[0.5]]),
        (pd.Series([0.5]), [[0.5]]),
        (np.ones(MAX_COLUMNS + 1), None),
        (np.ones((1, 2, 2)), None),
        (np.ones((2, 4), np.float32), None),
        (np.ones((0, 4), np.float32), None),
        (np.array(0.5), [[0.5]]),
        (None, None),
        ("text", None),
    ],
)
def test_outputs_of_one_row(core: Any, answer: Any, expected: Any) -> None:
    """Numbers in any of the forms that libraries return."""
    core.model(lambda _: answer, operation="predict_proba").predict_proba(ROW)
    core.pipeline.flush()
    (batch,) = core.recorder.batches
    assert expected == (batch.outputs and batch.outputs.matrix.tolist())
    assert {} == guard.counts()


def test_outputs_are_copied_before_the_app_has_them(core: Any) -> None:
    """What the app does to a result is not seen."""
    for rows in (1, 4):
        answer = np.full(rows, 0.5)
        core.model(lambda _, answer=answer: answer).predict(np.ones((rows, 3)))
        answer[:] = 99.0
    core.pipeline.flush()
    found = [batch.outputs.matrix[:, 0].tolist() for batch in core.recorder.batches]
    assert [0.5] * 5 == list(chain.from_iterable(found))


def test_sampled_outputs_belong_to_the_sampled_rows(core: Any) -> None:
    """The same rows of both."""
    data = np.arange(10_000.0)[:, None]
    core.model(lambda data: data[:, 0] * 2).predict(data)
    core.pipeline.flush()
    (batch,) = core.recorder.batches
    assert (batch.features.matrix * 2).tolist() == batch.outputs.matrix.tolist()
    assert 200 < batch.features.rows <= 256


def test_single_rows_are_thinned(core: Any) -> None:
    """At stride 4 about one in four is kept, every call is counted."""
    shared.stride = 4
    model = core.model()
    for _ in range(4000):
        model.predict(ROW)
    core.pipeline.flush()
    rows = core.pipeline.tally.rows[KEY]
    assert 4000 == core.pipeline.tally.calls[KEY, "predict"].success == rows.seen
    assert 850 < rows.used < 1150
    assert {4} == {batch.stride for batch in core.recorder.batches}


def test_nothing_of_the_app_is_held(core: Any) -> None:
    """After the call neither model nor arguments nor result live on because of us."""

    class Frame(np.ndarray[Any, Any]):
        """An array that can be weakly referenced."""

    data = np.ones((2, 3)).view(Frame)
    model = core.model(lambda data: data[:, 0])
    result = model.predict(data)
    references = [weakref.ref(held) for held in (data, model, result)]
    del data, model, result
    gc.collect()
    assert [None] * 3 == [reference() for reference in references]


# -- pickles ---------------------------------------------------------------------------------------


def test_a_wrapper_in_a_pickle_is_the_bare_function(core: Any) -> None:
    """Where it is loaded it runs the original and records nothing."""
    model = core.model(lambda data: data + 1)
    for copy in (
        cloudpickle.loads(cloudpickle.dumps(model)),
        pickle.loads(cloudpickle.dumps(model)),
        cloudpickle.loads(cloudpickle.dumps(cloudpickle.loads(cloudpickle.dumps(model)))),
    ):
        assert [[2.0, 2.0, 2.0]] == copy.predict(ROW).tolist()
        with pytest.raises(TypeError):
            copy.predict()
    assert 0 == total(core)


def test_a_suppressed_method_in_a_pickle(core: Any) -> None:
    """It runs too, also where it raises."""
    fit = suppressor()(lambda x: 1 / x)
    copy = cloudpickle.loads(cloudpickle.dumps(fit))
    assert 0.5 == copy(2)
    with pytest.raises(ZeroDivisionError):
        copy(0)


# -- other forms of outputs, and failures that are many --------------------------------------------


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([np.array([[0.1, 0.9]]), np.array([[0.3, 0.7]])], [[0.1, 0.9, 0.3, 0.7]]),
        ((np.array([0.5]), np.array([0.1])), [[0.5]]),
        ((0.5,), [[0.5]]),
        ([np.array([0.1, 0.9])], [[0.1, 0.9]]),
        ([], None),
    ],
)
def test_outputs_that_are_several_arrays(core: Any, result: Any, expected: Any) -> None:
    """One array an output stands side by side; what else was asked for is left out."""
    core.model(lambda _: result).predict(ROW)
    core.pipeline.flush()
    (batch,) = core.recorder.batches
    assert expected == (batch.outputs and batch.outputs.matrix.tolist())
    assert {} == guard.counts()


def test_outputs_that_cannot_be_read_cost_no_call(core: Any) -> None:
    """Arrays that do not fit side by side are a fault of ours; the features are used."""
    parts = [np.ones((2, 2)), np.ones((3, 2))]
    core.model(lambda _: parts).predict(np.ones((2, 3)))
    core.pipeline.flush()
    assert 2 == core.pipeline.tally.rows[KEY].used
    assert {"record.outputs:ValueError": 1} == guard.counts()


def test_calls_that_all_fail_are_bounded_too(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers drain them as they drain the others."""
    monkeypatch.setattr("tidegauge.calls.MAX_ENTRIES", 1000)

    def answer(_: Any) -> Any:
        raise LookupError

    model = core.model(answer)
    for _ in range(5000):
        with pytest.raises(LookupError):
            model.predict(ROW)
    (channel,) = shared.channels.all()
    assert len(channel.entries) <= 1512
    assert 5000 == total(core)


def test_a_fault_while_a_failure_is_recorded(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app sees its own exception, not ours, and it is counted."""

    def answer(_: Any) -> Any:
        raise LookupError

    def boom() -> float:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(shared, "clock", boom)
        with pytest.raises(LookupError) as caught:
            core.model(answer).predict(ROW)
    assert caught.value.__context__ is None
    assert {"record.predict:RuntimeError": 1} == guard.counts()
    assert 1 == total(core)
    assert {"LookupError": 1} == core.pipeline.tally.calls[KEY, "predict"].errors


def test_a_call_that_nothing_can_keep_is_counted_as_lost(core: Any) -> None:
    """Under a cause of its own, so that what is missing from the counts can be told."""
    model = core.model()
    model.predict(ROW)
    channel: Any
    (channel,) = shared.channels.all()
    entries, append, channel.entries = channel.entries, channel.append, None
    channel.append = None
    assert model.predict(ROW) is ROW
    channel.entries, channel.append = entries, append
    assert {"record.predict:TypeError": 1, "lost.predict:AttributeError": 1} == guard.counts()
    assert 1 == total(core)


def test_a_failed_call_of_nobody_is_its_own_failure(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its model could not be looked up the app still sees its own exception."""

    def answer(_: Any) -> Any:
        raise LookupError

    def boom(_: int) -> Any:
        raise RuntimeError

    model = core.model(answer)
    monkeypatch.setattr(type(model).predict.__tidegauge__, "lookup", boom)
    with pytest.raises(LookupError):
        model.predict(ROW)
    assert ({"lost.predict:RuntimeError": 1}, 0) == (guard.counts(), total(core))


def test_a_mark_that_was_copied_is_no_wrapper() -> None:
    """``functools.wraps`` copies it to functions that hold nothing of ours."""
    wrapper = observer("predict", lambda _: ModelInfo("f", "C"))(len)

    @functools.wraps(wrapper)
    def outer() -> None:
        """Hold nothing at all."""

    assert [True, False] == [is_wrapper(wrapper), is_wrapper(outer)]


def test_without_a_thread_calls_are_counted(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may start no thread has its calls counted by whoever collects."""

    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Pipeline, "start", refuse)
    core.model().predict(ROW)
    assert 1 == total(core)
    assert {"pipeline.start:RuntimeError": 1} == guard.counts()


def test_rows_that_cannot_be_copied_are_counted(core: Any) -> None:
    """As many as there were, as dropped."""

    class Hostile(list[Any]):
        """A batch whose length is all that can be had of it."""

        shape = (7,)

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise MemoryError

    core.model(lambda data: np.zeros(len(data))).predict(Hostile(range(7)))
    assert 1 == total(core)
    rows = core.pipeline.tally.rows[KEY]
    assert (7, 0, 7) == (rows.seen, rows.used, rows.dropped)
    assert {"record.features:MemoryError": 1} == guard.counts()
