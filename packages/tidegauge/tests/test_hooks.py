"""What an integration tells the wrapper of its library: which argument, which result, when not."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tidegauge import guard
from tidegauge.batch import ModelKey
from tidegauge.calls import Calls
from tidegauge.info import ModelInfo
from tidegauge.observe import observer, recorder
from tidegauge.runtime import shared
from tidegauge.snapshot import MAX_ROWS, Lazy, Taken

KEY = ModelKey("C")
ROWS = np.arange(12.0).reshape(4, 3)


def watched(answer: Callable[..., Any], **hooks: Any) -> Any:
    """Return a model whose method answers, wrapped with hooks."""

    class Model:
        run = observer("run", lambda _: ModelInfo("f", "C"), **hooks)(
            lambda _, *args, **kwargs: answer(*args, **kwargs)
        )

    return Model()


def batch(core: Any) -> Any:
    """Return the only batch."""
    core.pipeline.flush()
    (found,) = core.recorder.batches
    core.recorder.batches.clear()
    return found


def test_the_features_stand_where_the_library_has_them(core: Any) -> None:
    """By position behind other arguments, or by name; the library gets what it was given."""
    model = watched(lambda names, feed: [names, feed], argument="feed", position=1)
    for args, kwargs in (((None, ROWS), {}), ((None,), {"feed": ROWS})):
        assert ROWS is model.run(*args, **kwargs)[1]
        assert ROWS.tolist() == batch(core).features.matrix.tolist()
    with pytest.raises(TypeError):
        model.run(None)
    assert core.pipeline.flush()
    assert {"TypeError": 1} == core.pipeline.tally.calls[KEY, "run"].errors
    assert {} == guard.counts()


def test_without_a_name_the_first_argument_holds_the_features(core: Any) -> None:
    """Of a library whose users name the arguments themselves."""
    model = watched(lambda *_, **__: None, argument="")
    for args, kwargs in (((ROWS, 2), {}), ((), {"rows": ROWS, "scale": 2})):
        model.run(*args, **kwargs)
        assert ROWS.tolist() == batch(core).features.matrix.tolist()
    model.run()
    core.pipeline.flush()
    assert {} == guard.counts()


def test_what_asks_for_something_else_is_no_prediction(core: Any) -> None:
    """Whole, with all that it calls; a condition that breaks counts the call."""
    inner = watched(lambda data, **_: data, skip=lambda _, named: bool(named.get("leaves")))
    outer = watched(inner.run, skip=lambda args, named: named["leaves"])
    assert ROWS is inner.run(ROWS, leaves=True)
    assert ROWS is outer.run(ROWS, leaves=True)
    core.pipeline.flush()
    assert {} == core.pipeline.tally.calls
    inner.run(ROWS, leaves=False)
    inner.run(ROWS)
    assert 2 == batch(core).calls.size
    assert {} == guard.counts()
    outer.run(ROWS, other=True)
    core.pipeline.flush()
    assert 3 == core.pipeline.tally.calls[KEY, "run"].success
    assert {"record.run:KeyError": 1} == guard.counts()


@pytest.mark.parametrize("rows", [1, 4, MAX_ROWS, 100_000])
def test_rows_in_a_form_of_their_own_are_read_where_chosen(core: Any, rows: int) -> None:
    """No more than a call may add, and those that the outputs are of."""
    table = np.arange(3.0 * rows).reshape(rows, 3)
    asked: list[int] = []

    def read(start: int, step: int) -> Any:
        asked.append(len(table[start::step]))
        return table[start::step].copy()

    model = watched(lambda _: table[:, 0], features=lambda data: Lazy(len(data), read))
    model.run(table)
    found = batch(core)
    assert [len(found.features.matrix)] == asked
    assert min(rows, MAX_ROWS) / 2 <= asked[0] <= MAX_ROWS
    assert found.features.matrix[:, 0].tolist() == found.outputs.matrix[:, 0].tolist()
    assert rows == core.pipeline.tally.rows[KEY].seen


def test_rows_that_are_not_chosen_are_not_read(core: Any) -> None:
    """Under a stride most single rows are left alone."""
    shared.stride = 0
    model = watched(lambda _: [0.5], features=lambda _: Lazy(1, lambda *_: 1 / 0))
    model.run("x")
    core.pipeline.flush()
    assert ([], {}) == (core.recorder.batches, guard.counts())


@pytest.mark.parametrize("rows", [1, 4, MAX_ROWS, 100_000])
def test_rows_that_were_taken_before_are_those_of_the_outputs(core: Any, rows: int) -> None:
    """Whatever has become of the input since, at each call that is about it."""
    table = np.arange(3.0 * rows).reshape(rows, 3)
    outputs, taken = table[:, 0].copy(), Taken.of(table)
    table[:] = 0.0
    model = watched(lambda _: outputs, features=lambda _: taken)
    for _ in range(2):
        model.run(table)
        found = batch(core)
        assert min(rows, MAX_ROWS) / 2 <= found.features.rows <= MAX_ROWS
        assert found.features.matrix[:, 0].tolist() == found.outputs.matrix[:, 0].tolist()
    assert 2 * rows == core.pipeline.tally.rows[KEY].seen


@pytest.mark.parametrize("stride", [0, 3, 40])
def test_rows_that_were_taken_before_are_thinned(core: Any, stride: int) -> None:
    """All of a call or none, so that about one row in a stride is used."""
    taken = Taken.of(ROWS)
    model = watched(lambda _: ROWS[:, 0], features=lambda _: taken)
    shared.stride = stride
    for _ in range(1000):
        model.run(ROWS)
    core.pipeline.flush()
    rows = core.pipeline.tally.rows[KEY]
    expected = 1000 / stride if stride else 0
    # Five standard deviations of as many coins.
    assert abs(rows.used / 4 - expected) <= 5 * expected**0.5
    assert 4000 == rows.seen
    assert {} == guard.counts()


def test_nothing_taken_is_nothing(core: Any) -> None:
    """No rows, and what is no table."""
    for data, seen in ((ROWS[:0], 0), ("text", 1)):
        model = watched(lambda data: data, features=Taken.of)
        model.run(data)
        core.pipeline.flush()
        assert seen == core.pipeline.tally.rows[KEY].seen
    assert {} == guard.counts()


@pytest.mark.parametrize("result", [ROWS[:1, :1], ROWS, [ROWS], "label"])
def test_outputs_are_what_the_library_means(core: Any, result: Any) -> None:
    """One row or several, whatever the result is; the caller has his."""
    rows = 1 if isinstance(result, str) else 4
    model = watched(lambda _: result, outputs=lambda _: np.full((rows, 1), 0.25))
    assert result is model.run(ROWS[:rows])
    assert [[0.25]] * rows == batch(core).outputs.matrix.tolist()


@pytest.mark.parametrize("hook", ["features", "outputs"])
def test_a_hook_that_breaks_costs_what_it_would_have_given(core: Any, hook: str) -> None:
    """The answer is the caller's, the call and its rows count, the fault is counted."""
    model = watched(lambda data: data[:, 0], **{hook: lambda _: 1 / 0})
    assert ROWS[:, 0].tolist() == model.run(ROWS).tolist()
    core.pipeline.flush()
    assert 1 == core.pipeline.tally.calls[KEY, "run"].success
    assert ["ZeroDivisionError"] == [cause.rpartition(":")[2] for cause in guard.counts()]
    assert 4 == core.pipeline.tally.rows[KEY].seen
    (found,) = core.recorder.batches
    assert [hook] == [name for name in ("features", "outputs") if getattr(found, name) is None]


@pytest.mark.skipif(sys.gettrace() is not None, reason="what traces takes frames of its own")
def test_an_app_at_the_limit_of_recursion_pays_one_frame(core: Any) -> None:
    """What we do beside the call goes deeper than it: that is our fault, and stays with us."""

    class Hostile:
        def __len__(self) -> int:
            raise ValueError

    def below(frames: int, act: Callable[[Any], Any]) -> Any:
        return act(given) if not frames else below(frames - 1, act)

    def works(frames: int, act: Callable[[Any], Any]) -> bool:
        try:
            return below(frames, act) is given
        except RecursionError:
            return False

    given, model = Hostile(), core.model()
    limit = sys.getrecursionlimit()
    deepest = max(n for n in range(limit - 300, limit) if works(n, model.call))
    assert all(works(frames, model.predict) for frames in range(deepest - 40, deepest))
    core.pipeline.flush()
    assert 40 == core.pipeline.tally.calls[ModelKey("Stub"), "predict"].success


async def coroutine(_: object, *args: Any, **__: Any) -> Any:
    """Answer what is given."""
    return args


async def asynchronous(_: object, *args: Any, **__: Any) -> Any:
    """Yield what is given."""
    yield args


def generator(_: object, *args: Any, **__: Any) -> Any:
    """Yield what is given."""
    yield args


def plain(_: object, *args: Any, **__: Any) -> Any:
    """Answer what is given."""
    return args


async def _value(made: Any) -> Any:
    return await made if inspect.iscoroutine(made) else await anext(aiter(made))


def value(made: Any) -> Any:
    """Return what a method of any kind answers."""
    if isinstance(made, tuple):
        return made
    return next(made) if inspect.isgenerator(made) else asyncio.run(_value(made))


@pytest.mark.parametrize("method", [plain, generator, coroutine, asynchronous])
@pytest.mark.parametrize(
    ("args", "kwargs"), [((ROWS,), {}), ((ROWS, 1), {}), ((ROWS,), {"scale": 1}), ((), {})]
)
def test_what_is_to_be_ignored_is_passed_on(
    core: Any, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Asked with the model and the first argument, of every kind of method."""
    asked: list[Any] = []

    def ignore(model: Any, data: Any) -> bool:
        asked.append(data)
        return bool(model.training)

    calls = Calls("run", lambda _: ModelInfo("f", "C"), ignore=ignore)
    model = type("Model", (), {"run": recorder(calls)(method), "training": True})()
    for training in (True, False):
        model.training = training
        assert args == value(model.run(*args, **kwargs))
        assert [args[0] if args else ...] == asked
        asked.clear()
        core.pipeline.flush()
        assert (KEY not in {key for key, _ in core.pipeline.tally.calls}) is training
