"""APIs of each kind that LitServe allows, by name alone."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import litserve
import numpy as np
import pytest
from litserve.callbacks import CallbackRunner
from litserve.loops import LitLoop, loops
from tidegauge import Model
from tidegauge_litserve import LitserveInstrumentor
from tidegauge_testkit.recording import Recording

ROW = np.ones((1, 3))


class Other(litserve.LitAPI):  # type: ignore[misc]
    """An API that nobody names."""

    def setup(self, device: str) -> None:
        """Need nothing."""

    def predict(self, x: Any) -> Any:
        """Ask a model that is watched itself."""
        with Model("inner").prediction(x) as p:
            p.output = 0.5
        return x


class Awaited(litserve.LitAPI):  # type: ignore[misc]
    """What LitServe wants of an API that is awaited: that all of it is."""

    async def decode_request(self, request: Any, **_: Any) -> Any:
        """Return the request."""
        return request

    async def encode_response(self, output: Any, **_: Any) -> Any:
        """Return the answer."""
        return output


def counts(recording: Recording) -> dict[str, tuple[int, int]]:
    """Return the calls and rows of each model."""
    return {name: (found.success, found.rows) for (name, _), found in recording.counts().items()}


def api(predict: Any, name: str = "Scoring", base: Any = litserve.LitAPI, **more: Any) -> Any:
    """Return an API of a class of this name with this method."""
    return type(name, (base,), {"predict": predict, "setup": Other.setup})(**more)


def test_an_api_that_nobody_names_leaves_it_to_the_library(recording: Recording) -> None:
    """The model that it asks is the one that is recorded, with its own features."""
    Other().predict(ROW)
    assert counts(recording) == {"inner": (1, 1)}


def test_an_api_that_is_named_is_the_model(recording: Recording) -> None:
    """What it asks of other models is a part of it."""
    api(Other.predict).predict(ROW)
    assert counts(recording) == {"Scoring": (1, 1)}


def test_what_derives_from_it_goes_by_its_own_name(recording: Recording) -> None:
    """Where it inherits the method; one that is named alone has to have it."""
    child = type("Child", (type(api(Other.predict)),), {})
    child().predict(ROW)
    heir = type("Scoring", (Other,), {})
    heir().predict(ROW)
    assert counts(recording) == {"Child": (1, 1), "inner": (1, 1)}


def test_each_kind_of_method_stays_what_it_is(recording: Recording) -> None:
    """LitServe asks for it, and streams or awaits; each request is one call."""

    async def awaited(self: Any, x: Any) -> Any:
        return x

    def streamed(self: Any, x: Any) -> Iterator[Any]:
        yield from x.tolist()

    async def both(self: Any, x: Any) -> AsyncIterator[Any]:
        for row in x.tolist():
            yield row

    async def read(method: Any) -> list[Any]:
        return [row async for row in method(ROW)]

    method = api(awaited, base=Awaited, enable_async=True).predict
    assert inspect.iscoroutinefunction(method)
    assert asyncio.run(method(ROW)) is ROW
    method = api(streamed, stream=True).predict
    assert inspect.isgeneratorfunction(method)
    assert list(method(ROW)) == ROW.tolist()
    method = api(both, base=Awaited, stream=True, enable_async=True).predict
    assert inspect.isasyncgenfunction(method)
    assert asyncio.run(read(method)) == ROW.tolist()
    assert counts(recording) == {"Scoring": (3, 3)}


def test_litserve_passes_its_context_as_before(recording: Recording) -> None:
    """It looks for the parameter, and passes it by name."""
    from litserve.loops.base import _inject_context

    def predict(self: Any, x: Any, context: Any) -> Any:
        return context

    assert _inject_context({"a": 1}, api(predict).predict, ROW) == {"a": 1}
    assert counts(recording) == {"Scoring": (1, 1)}


@pytest.mark.parametrize(
    ("request_", "columns"),
    [
        (np.array([1.0, 2.0]), 2),
        ([1.0, 2, 3.5], 3),
        ((True,), 1),
        ({"age": 41, "income": 1.5}, 2),
        ([[1.0, 2.0]], 2),
        ("a text of somebody's", None),
        (b"an image", None),
        (7.0, None),
    ],
)
def test_a_single_request_is_one_row(
    recording: Recording, request_: Any, columns: int | None
) -> None:
    """A list of numbers, an array, a dict; of a text or an image nothing is read."""
    api(lambda self, x: 0.5).predict(request_)
    (batch,) = recording.batches()
    table = batch.features
    if table is None:
        assert columns is None
    else:
        wide = len(table.columns or ()) if table.matrix is None else table.matrix.shape[1]
        assert (table.rows, wide) == (1, columns)
    assert counts(recording) == {"Scoring": (1, 1)}
    assert "somebody" not in repr(batch)


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        (0.5, [[0.5]]),
        (np.float32(0.5), [[0.5]]),
        (3, [[3.0]]),
        ([0.25, 0.75], [[0.25, 0.75]]),
        (np.array([0.25, 0.75]), [[0.25, 0.75]]),
        ({"score": 0.5}, [[0.5]]),
        ("positive", None),
    ],
)
def test_an_answer_to_a_single_request_is_one_row(
    recording: Recording, answer: Any, values: list[list[float]] | None
) -> None:
    """A number, a few of them, or names with numbers; a text is not read."""
    assert api(lambda self, x: answer).predict(ROW) is answer
    (batch,) = recording.batches()
    matrix = None if batch.outputs is None else batch.outputs.matrix
    assert (None if matrix is None else matrix.tolist()) == values


def test_a_batch_is_as_many_rows_as_it_has_requests(recording: Recording) -> None:
    """LitServe stacks arrays, and lists the rest."""
    batched = api(lambda self, x: [0.5] * len(x), max_batch_size=4)
    for requests in ([np.ones(3)] * 4, [{"a": 1.0}] * 4, [[1.0, 2.0]] * 4):
        assert batched.predict(batched.batch(requests)) == [0.5] * 4
    assert counts(recording) == {"Scoring": (3, 12)}
    outputs = [batch.outputs for batch in recording.batches()]
    assert [table.matrix.tolist() for table in outputs if table and table.matrix is not None] == [
        [[0.5]] * 4
    ] * 3


def test_tensors_are_counted_and_not_read(recording: Recording) -> None:
    """They may be on another device; here one that says so when it is read."""

    class Tensor:
        shape = (4, 3)

        def __len__(self) -> int:
            return 4

        def __array__(self) -> Any:
            raise TypeError("can't convert a tensor of another device")

    Tensor.__module__ = "torch"
    given = Tensor()
    assert api(lambda self, x: x).predict(given) is given
    assert counts(recording) == {"Scoring": (1, 4)}


def test_in_code_classes_are_named_by_an_argument(instrumented: LitserveInstrumentor) -> None:
    """It goes before the environment."""
    instrumented.uninstrument()
    instrumented.instrument(skip_dep_check=True, classes=("Mine",))
    with Recording() as recording:
        api(Other.predict, "Mine").predict(ROW)
        api(lambda self, x: x).predict(ROW)
        assert counts(recording) == {"Mine": (1, 1)}


def test_without_names_nothing_is_hooked(
    instrumented: LitserveInstrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the making of classes."""
    instrumented.uninstrument()
    monkeypatch.delenv("TIDEGAUGE_LITSERVE_CLASSES")
    before = vars(litserve.LitAPI).get("__init_subclass__")
    instrumented.instrument(skip_dep_check=True)
    assert vars(litserve.LitAPI).get("__init_subclass__") is before


def test_a_wrong_name_is_one_error_line(
    instrumented: LitserveInstrumentor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service starts, and nothing is watched."""
    instrumented.uninstrument()
    monkeypatch.setenv("TIDEGAUGE_LITSERVE_CLASSES", "my api")
    instrumented.instrument(skip_dep_check=True)
    with Recording() as recording:
        api(lambda self, x: x).predict(ROW)
        assert recording.calls() == 0
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said.getMessage() == (
        "TIDEGAUGE_LITSERVE_CLASSES: got 'my api' from the environment; expected names of classes "
        "with commas between. Unset it to use the default. No API of LitServe is watched."
    )


class Once(LitLoop):  # type: ignore[misc]
    """A worker that answers one request."""

    def __call__(self, lit_api: Any, *_: Any) -> None:
        """Predict."""
        lit_api.predict(ROW)


def test_a_worker_knows_the_path_of_its_api(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked in it has that route; the function is still what a process is started with."""
    monkeypatch.setenv("LITSERVE_WORKER_ID", "0")  # LitServe sets it
    work = loops.inference_worker
    scoring = api(Other.predict, api_path="/score", loop=Once())
    given = [scoring, "cpu", 0, None, None, {}, CallbackRunner(), False]
    work(*given[: len(inspect.signature(work).parameters)])
    scoring.predict(ROW)
    (exemplar,) = recording.exemplars()
    assert exemplar.http_route == "/score"
    assert counts(recording) == {"Scoring": (2, 2)}
    assert pickle.loads(pickle.dumps(work)) is work
