"""Recording by hand: the same path as an integration's, for one call or a function."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tidegauge import Model, guard, prediction_ids
from tidegauge.batch import ModelKey
from tidegauge.runtime import shared

KEY = ModelKey("fraud", "3")


@pytest.fixture
def model(core: Any) -> Model:
    """Provide a model by hand."""
    return Model("fraud", "3")


def rows_of(table: Any) -> list[list[Any]] | None:
    """Return a table as rows."""
    if table is None:
        return None
    if table.matrix is not None:
        return table.matrix.tolist()  # type: ignore[no-any-return]
    return [list(row) for row in zip(*table.columns, strict=True)]


def record(core: Any, model: Model, features: Any, output: Any) -> Any:
    """Record one prediction and return its batch."""
    with model.prediction(features) as p:
        p.output = output
    assert core.pipeline.flush()
    assert {} == guard.counts()
    (batch,) = core.recorder.batches
    return batch


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"amount": 12.5, "country": "NO"}, [[12.5, "NO"]]),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ((1, "a"), [[1.0, "a"]]),
        (np.array([1.0, 2.0]), [[1.0, 2.0]]),
        (pd.Series({"a": 1.0, "b": 2.0}), [[1.0, 2.0]]),
        (np.array([[1.0, 2.0]]), [[1.0, 2.0]]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
        ([{"a": 1.0}, {"a": 2.0}], [[1.0], [2.0]]),
        (pd.DataFrame({"a": [1.0, 2.0]}), [[1.0], [2.0]]),
        (pl.DataFrame({"a": [1.0, 2.0]}), [[1.0], [2.0]]),
        ([np.array([1.0, 2.0])], [[1.0, 2.0]]),
    ],
)
def test_features(core: Any, model: Model, features: Any, expected: list[list[Any]]) -> None:
    """One row as a dict, a list, an array or a series; several as any table."""
    batch = record(core, model, features, np.zeros(len(expected)))
    assert (KEY, "predict") == (batch.model, batch.operation)
    assert expected == rows_of(batch.features)
    assert len(expected) == core.pipeline.tally.calls[KEY, "predict"].rows


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (0.25, [[0.25]]),
        (1, [[1.0]]),
        (np.float64(0.25), [[0.25]]),
        (np.float32(0.25), [[0.25]]),
        (np.array(0.25), [[0.25]]),
        (np.array([0.25]), [[0.25]]),
        (np.array([[0.25]]), [[0.25]]),
        ([0.25], [[0.25]]),
        ([[0.25]], [[0.25]]),
        ((0.25, 0.5, 0.25), [[0.25, 0.5, 0.25]]),
        (np.array([[0.25, 0.5, 0.25]]), [[0.25, 0.5, 0.25]]),
        (pd.Series([0.25]), [[0.25]]),
        (pd.DataFrame({"a": [0.25]}), [[0.25]]),
        (pl.Series([0.25]), [[0.25]]),
        (True, [[1.0]]),
        ("a long text that the model wrote", None),
        (None, None),
    ],
)
def test_outputs_of_one_row(core: Any, model: Model, output: Any, expected: Any) -> None:
    """A number, however it is wrapped; text is not looked at."""
    assert expected == rows_of(record(core, model, [1.0], output).outputs)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([0.25, 0.5], [[0.25], [0.5]]),
        (np.array([0.25, 0.5]), [[0.25], [0.5]]),
        (np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]), [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]),
        (pd.Series([0.25, 0.5]), [[0.25], [0.5]]),
        ([0.25], None),
        (0.25, None),
    ],
)
def test_outputs_of_several_rows(core: Any, model: Model, output: Any, expected: Any) -> None:
    """One a row, or they are not looked at."""
    assert expected == rows_of(record(core, model, [[1.0], [2.0]], output).outputs)


@pytest.mark.parametrize(
    ("features", "output", "expected"),
    [([1.0], "fraud", [["fraud"]]), ([[1.0], [2.0]], ["fraud", "ok"], [["fraud"], ["ok"]])],
)
def test_labels_of_a_classifier(core: Any, features: Any, output: Any, expected: Any) -> None:
    """They are read as categories and no values."""
    model = Model("fraud", "3", task="classification")
    assert expected == rows_of(record(core, model, features, output).outputs)
    assert {} == core.pipeline.tally.values  # noqa: PD011 - no frame


def test_an_error_is_counted_and_goes_on(core: Any, model: Model) -> None:
    """The same exception object reaches the app."""
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as caught, model.prediction([1.0]):
        raise error
    assert error is caught.value
    core.pipeline.flush()
    counts = core.pipeline.tally.calls[KEY, "predict"]
    assert (0, {"ZeroDivisionError": 1}, 0) == (counts.success, counts.errors, counts.cancelled)


class Nameless(type):
    """Exceptions whose class does not tell its name."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise LookupError


class Unnamed(Exception, metaclass=Nameless):  # noqa: N818 - of the app
    """One of them."""


def test_an_error_reaches_the_caller_whatever_its_class_says(core: Any, model: Model) -> None:
    """It is the app's own, and counts under the name that Python gave it."""
    with pytest.raises(Unnamed), model.prediction([1.0]):
        raise Unnamed
    core.pipeline.flush()
    assert {"Unnamed": 1} == core.pipeline.tally.calls[KEY, "predict"].errors


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit])
def test_a_cancelled_call_is_no_error(core: Any, model: Model, kind: type[BaseException]) -> None:
    """Nor a success, nor a latency."""
    with pytest.raises(kind), model.prediction([1.0]):
        raise kind
    core.pipeline.flush()
    counts = core.pipeline.tally.calls[KEY, "predict"]
    found = (counts.success, counts.errors, counts.cancelled, counts.latency.counts.sum())
    assert (0, {}, 1, 0) == found


def test_a_prediction_within_a_prediction_counts_once(core: Any, model: Model) -> None:
    """By hand around a watched library, and by hand within by hand: the outermost call."""
    watched = core.model()
    with model.prediction([1.0]) as outer:
        with Model("inner").prediction([1.0]) as inner:
            inner.output = 1.0
        outer.output = watched.predict([[1.0]])
    watched.predict([[1.0]])
    core.pipeline.flush()
    found = {key.name: counts.success for (key, _), counts in core.pipeline.tally.calls.items()}
    assert {"fraud": 1, "Stub": 1} == found


def test_a_watched_function(core: Any, model: Model) -> None:
    """Its result, name, signature and text are its own; by position or keyword."""

    @model.observe
    def score(rows: list[list[float]], *, scale: float = 1.0) -> list[float]:
        """Score rows."""
        return [row[0] * scale for row in rows]

    assert [2.0] == score([[1.0]], scale=2.0)
    assert [3.0] == score(rows=[[3.0]])
    assert ("score", "Score rows.") == (score.__name__, score.__doc__)
    assert ["rows", "scale"] == list(inspect.signature(score).parameters)
    core.pipeline.flush()
    assert [[[1.0], [3.0]]] == [rows_of(batch.features) for batch in core.recorder.batches]
    assert [[[2.0], [3.0]]] == [rows_of(batch.outputs) for batch in core.recorder.batches]


def test_a_watched_async_function(core: Any, model: Model) -> None:
    """Calls that run side by side count each; a cancelled one is cancelled."""

    @model.observe
    async def score(row: list[float]) -> float:
        await asyncio.sleep(row[0])
        return row[0]

    async def main() -> list[float]:
        late = asyncio.create_task(score([3600.0]))
        found = await asyncio.gather(*(score([0.0]) for _ in range(5)))
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        return found

    assert inspect.iscoroutinefunction(score)
    assert [0.0] * 5 == asyncio.run(main())
    core.pipeline.flush()
    counts = core.pipeline.tally.calls[KEY, "predict"]
    assert (5, 1) == (counts.success, counts.cancelled)


def test_a_block_may_end_in_another_context(core: Any, model: Model) -> None:
    """A web framework does that to a dependency that yields; the call counts, the app lives."""

    def dependency() -> Iterator[None]:
        with model.prediction([1.0]) as p:
            p.output = 1.0
            yield

    running = dependency()
    contextvars.copy_context().run(next, running)
    assert None is contextvars.copy_context().run(next, running, None)
    assert 2 == len(record(core, model, [2.0], 1.0).end_times)


def test_a_fault_of_ours_stays_with_us(
    core: Any, model: Model, warnings_of: Callable[[], list[str]]
) -> None:
    """A features object that raises when it is looked at does not end the block."""

    class Hostile:
        def __len__(self) -> int:
            raise RuntimeError("boom")

    done = []
    with model.prediction(Hostile()) as p:
        p.output = 1.0
        done.append("served")
    assert ["served"] == done
    assert {"record.predict:RuntimeError": 1} == guard.counts()
    assert 1 == len(warnings_of())
    core.pipeline.flush()
    assert 1 == core.pipeline.tally.calls[KEY, "predict"].success


class Series:
    """One of the app's own, by the name of pandas'."""

    def to_dict(self) -> dict[str, float]:
        """Raise, as it needs something else first."""
        raise LookupError


class Shy(list[float]):
    """A list that does not want to be looked into."""

    def __bool__(self) -> bool:
        raise LookupError


@pytest.mark.parametrize("features", [Series(), Shy([1.0])])
def test_features_that_raise_when_they_are_looked_at(
    core: Any, model: Model, features: Any
) -> None:
    """The block and the watched function run as without us, and count."""
    with model.prediction(features) as p:
        p.output = 1.0
    assert features is model.observe(lambda given: given)(features)
    core.pipeline.flush()
    assert 2 == core.pipeline.tally.calls[KEY, "predict"].success
    assert {"record.predict:LookupError": 2} == guard.counts()


def test_ids_are_unique(core: Any, model: Model) -> None:
    """So that an outcome finds its prediction."""
    ids = {prediction_ids.new() for _ in range(10_000)} | {
        model.prediction([1.0]).id for _ in range(100)
    }
    assert 10_100 == len(ids)


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_model_needs_a_name(name: Any) -> None:
    """The message has what was given."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message follows
        Model(name)
    assert (
        f"Model name: got {name!r} from the argument; expected a non-empty text. "
        "Pass the name that alerts should show."
    ) == str(caught.value)


def test_a_task_is_one_of_four() -> None:
    """The message has them all."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message follows
        Model("fraud", task="ranking")
    assert (
        "Model task: got 'ranking' from the argument; expected one of classification, regression, "
        "outlier, unknown. Leave it out where you do not know."
    ) == str(caught.value)


def test_repr() -> None:
    """It says which model."""
    assert "Model('fraud', version='3')" == repr(Model(" fraud ", "3"))


def test_a_recording_span_gets_the_predictions_id(core: Any, model: Model) -> None:
    """So that an outcome, a trace and a log line speak of the same prediction."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("request"), model.prediction([1.0]) as p:
        p.output = 1.0
    (span,) = exporter.get_finished_spans()
    assert {"model_name": "fraud", "model_version": "3", "prediction_id": p.id} == span.attributes


def test_opentelemetrys_own_suppression_holds(core: Any, model: Model) -> None:
    """By hand as everywhere."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    with model.prediction([1.0]) as p:
        p.output = 1.0
    context.detach(token)
    core.pipeline.flush()
    assert {} == core.pipeline.tally.calls


def test_an_output_that_cannot_be_read_costs_no_call(core: Any, model: Model) -> None:
    """The block ends as it would."""

    class Hostile:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError

    with model.prediction([1.0]) as p:
        p.output = Hostile()
    core.pipeline.flush()
    counts = core.pipeline.tally.calls[KEY, "predict"]
    assert (1, {"record.predict:RuntimeError": 1}) == (counts.success, guard.counts())


def test_a_call_that_cannot_be_kept_is_our_fault(
    core: Any, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block ends as it would, and counts."""

    def boom() -> float:
        raise RuntimeError

    with monkeypatch.context() as broken, model.prediction([1.0]) as p:
        broken.setattr(shared, "clock", boom)
        p.output = 1.0
    core.pipeline.flush()
    counts = core.pipeline.tally.calls[KEY, "predict"]
    assert (1, {"record.predict:RuntimeError": 1}) == (counts.success, guard.counts())
