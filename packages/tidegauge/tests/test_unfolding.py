"""Prediction methods that are coroutine or generator functions."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import cloudpickle
import numpy as np
import pytest
from tidegauge import guard, suppress
from tidegauge.batch import ModelKey
from tidegauge.info import ModelInfo
from tidegauge.observe import observer, streamer, suppressor
from tidegauge.patcher import Methods, Patcher

KEY = ModelKey("C")
ROW = np.ones((1, 3))
PREDICT = observer("predict", lambda _: ModelInfo("f", "C"))
STREAM = streamer("predict", lambda _: ModelInfo("f", "C"))


class Plain:
    """A model that answers at once."""

    predict = observer("predict", lambda _: ModelInfo("f", "Plain"))(lambda _, data: data[:, 0])


def counts(core: Any) -> dict[str, tuple[int, dict[str, int], int]]:
    """Return what was counted by model: successes, errors, cancelled."""
    assert core.pipeline.flush()
    return {
        key.name: (found.success, dict(found.errors), found.cancelled)
        for (key, _), found in core.pipeline.tally.calls.items()
    }


def test_an_awaited_call_is_one_call_whoever_works_for_it(core: Any) -> None:
    """What it asks itself, in threads and in tasks is a part of it; its result is recorded."""
    inner = Plain()

    async def predict(_: object, data: Any) -> Any:
        first = await asyncio.to_thread(inner.predict, data)
        again = await asyncio.create_task(asyncio.to_thread(inner.predict, data))
        return first + again + inner.predict(data)

    wrapped = PREDICT(predict)
    assert inspect.iscoroutinefunction(wrapped)
    model = type("Model", (), {"predict": wrapped})()

    async def main() -> Any:
        found = await asyncio.gather(*(model.predict(ROW) for _ in range(5)))
        inner.predict(ROW)
        return found

    assert [[3.0]] * 5 == [found.tolist() for found in asyncio.run(main())]
    assert {"C": (5, {}, 0), "Plain": (1, {}, 0)} == counts(core)
    outputs = [b.outputs.matrix.ravel().tolist() for b in core.recorder.batches]
    assert [[3.0] * 5, [1.0]] == sorted(outputs, reverse=True)
    assert {} == guard.counts()


def test_a_task_that_outlives_its_call_records(core: Any) -> None:
    """A batching loop that the first call has started is not silent for good."""
    inner, over = Plain(), asyncio.Event()
    left: list[asyncio.Task[Any]] = []

    async def later() -> None:
        inner.predict(ROW)
        await over.wait()
        inner.predict(ROW)

    async def predict(_: object, data: Any) -> Any:
        left.append(asyncio.create_task(later()))
        await asyncio.sleep(0)
        return data

    model = type("Model", (), {"predict": PREDICT(predict)})()

    async def main() -> None:
        await model.predict(ROW)
        over.set()
        await left[0]

    asyncio.run(main())
    assert {"C": (1, {}, 0), "Plain": (1, {}, 0)} == counts(core)


def test_awaited_failures_go_on_as_they_were(core: Any) -> None:
    """Errors by their type, a cancelled task as cancelled; suppressed calls not at all."""
    error = ValueError("no")

    async def predict(_: object, data: Any) -> Any:
        if data is None:
            raise error
        await asyncio.sleep(60)

    model = type("Model", (), {"predict": PREDICT(predict)})()

    async def main() -> None:
        with pytest.raises(ValueError, match="no") as caught:
            await model.predict(None)
        assert caught.value is error
        task = asyncio.create_task(model.predict(ROW))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with suppress(), pytest.raises(ValueError, match="no"):
            await model.predict(None)

    asyncio.run(main())
    assert {"C": (0, {"ValueError": 1}, 1)} == counts(core)


def stream(log: list[str] | None = None) -> Any:
    """Return a model that yields the values of a row, and echoes what it is sent."""

    def predict(_: object, data: Any) -> Generator[float, str | None, str]:
        for value in data[0].tolist():
            sent = yield value
            if sent and log is not None:
                log.append(sent)
        return "done"

    wrapped = PREDICT(predict)
    assert inspect.isgeneratorfunction(wrapped)
    return type("Model", (), {"predict": wrapped})()


def test_a_generator_is_one_call_from_its_first_value_to_its_last(core: Any) -> None:
    """Between two values its reader is outside: what he asks is his; ``send`` reaches it."""
    inner, log = Plain(), list[str]()

    def read() -> Iterator[float]:
        assert "done" == (yield from stream(log).predict(ROW))

    found = []
    for value in read():
        inner.predict(ROW)
        found.append(value)
    assert [1.0] * 3 == found
    assert {"C": (1, {}, 0), "Plain": (3, {}, 0)} == counts(core)
    generator = stream(log).predict(ROW)
    next(generator)
    generator.send("hello")
    generator.close()
    assert ["hello"] == log
    stream().predict(ROW).close()  # nobody has asked it for anything
    assert {"C": (1, {}, 1), "Plain": (3, {}, 0)} == counts(core)


def test_a_generator_that_fails(core: Any) -> None:
    """Its error is the reader's; one that is thrown in reaches it."""

    def predict(_: object, data: Any) -> Iterator[Any]:
        try:
            yield data
        except KeyError:
            yield "caught"
        raise ValueError("no")

    model = type("Model", (), {"predict": PREDICT(predict)})()
    generator = model.predict(ROW)
    next(generator)
    assert "caught" == generator.throw(KeyError("k"))
    with pytest.raises(ValueError, match="no"):
        next(generator)
    assert [] == list(generator)
    with suppress():
        assert ROW is next(model.predict(ROW))
    assert {"C": (0, {"ValueError": 1}, 0)} == counts(core)


def async_stream(log: list[str] | None = None) -> Any:
    """Return a model that yields the values of a row, with pauses, and echoes what it is sent."""

    async def predict(_: object, data: Any) -> AsyncGenerator[float, str | None]:
        try:
            for value in data[0].tolist():
                await asyncio.sleep(0)
                sent = yield value
                if sent and log is not None:
                    log.append(sent)
        except KeyError:
            yield -1.0
            raise ValueError("no") from None
        finally:
            if log is not None:
                log.append("closed")

    wrapped = PREDICT(predict)
    assert inspect.isasyncgenfunction(wrapped)
    return type("Model", (), {"predict": wrapped})()


def test_an_asynchronous_generator_is_one_call_from_its_first_value_to_its_last(core: Any) -> None:
    """Between two values its reader is outside; another reads its own at the same time."""
    inner, log = Plain(), list[str]()

    async def read() -> list[float]:
        found = []
        async for value in async_stream().predict(ROW):
            inner.predict(ROW)
            found.append(value)
        return found

    async def main() -> None:
        assert ([1.0] * 3, [1.0] * 3) == tuple(await asyncio.gather(read(), read()))
        generator = async_stream(log).predict(ROW)
        await anext(generator)
        await generator.asend("hello")
        await generator.aclose()
        assert ["hello", "closed"] == log
        await async_stream().predict(ROW).aclose()  # nobody has asked it for anything
        with suppress():
            assert [1.0] * 3 == [value async for value in async_stream().predict(ROW)]

    asyncio.run(main())
    assert {"C": (2, {}, 1), "Plain": (6, {}, 0)} == counts(core)
    assert {} == guard.counts()


def test_an_asynchronous_generator_that_fails(core: Any) -> None:
    """Its error is the reader's; one that is thrown in reaches it; a cancelled step is no error."""

    async def main() -> None:
        generator = async_stream().predict(ROW)
        await anext(generator)
        assert -1.0 == await generator.athrow(KeyError("k"))
        with pytest.raises(ValueError, match="no"):
            await anext(generator)
        assert [] == [value async for value in generator]
        task = asyncio.ensure_future(anext(async_stream().predict(ROW)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert {"C": (0, {"ValueError": 1}, 1)} == counts(core)


def test_an_asynchronous_generator_that_nobody_ends(core: Any) -> None:
    """The loop closes it, in a context of its own: it is counted, and nothing is said."""
    log: list[str] = []

    async def main() -> None:
        await anext(async_stream(log).predict(ROW))
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert ["closed"] == log
    assert {"C": (0, {}, 1)} == counts(core)
    assert {} == guard.counts()


def test_a_method_that_returns_a_generator_is_one_call_too(core: Any) -> None:
    """From its first value on: a caller's mistake is raised at once, as it was."""
    inner = Plain()

    def predict(_: object, data: Any) -> Iterator[Any]:
        return (inner.predict(data) for _ in range(3))

    wrapped = STREAM(predict)
    assert not inspect.isgeneratorfunction(wrapped)
    model = type("Model", (), {"predict": wrapped})()
    with pytest.raises(TypeError, match="data"):
        model.predict()
    found = model.predict(ROW)
    assert inspect.isgenerator(found)
    assert {} == counts(core)
    values: list[Any] = list(found)
    assert [[1.0]] * 3 == [value.tolist() for value in values]
    with suppress():
        assert 3 == len(list(model.predict(ROW)))
    given_up = model.predict(ROW)
    next(given_up)
    given_up.close()
    model.predict(ROW).close()  # nobody has asked it for anything
    assert {"C": (1, {}, 1)} == counts(core)
    assert {} == guard.counts()


def test_the_time_of_the_reader_is_not_the_models(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is timed by itself."""
    now = [0.0]
    monkeypatch.setattr("tidegauge.unfolding.perf_counter", lambda: now[0])

    def predict(_: object, data: Any) -> Iterator[Any]:
        for _ in range(3):
            now[0] += 0.25
            yield data

    for _ in type("Model", (), {"predict": PREDICT(predict)})().predict(ROW):
        now[0] += 100
    assert {"C": (1, {}, 0)} == counts(core)
    assert 0.75 == core.pipeline.tally.calls[KEY, "predict"].latency.total


async def coroutine(self: object, data: Any) -> Any:
    return data


def generator(self: object, data: Any) -> Iterator[Any]:
    yield data


async def both(self: object, data: Any) -> AsyncIterator[Any]:
    yield data


def test_other_kinds_and_decorators_leave_them_alone() -> None:
    """Training is silenced where it is plain."""
    kinds = [coroutine, generator, both]
    assert kinds == [suppressor()(each) for each in kinds]
    owner = type("Owner", (), {"predict": coroutine, "fit": coroutine, "stream": both})
    patcher = Patcher([Methods(__name__, "Owner", {"predict": PREDICT, "fit": suppressor()})])
    globals()["Owner"] = owner
    patcher.install()
    assert [False, True] == [vars(owner)[name] is coroutine for name in ("predict", "fit")]
    patcher.remove()
    assert vars(owner)["predict"] is coroutine
    del globals()["Owner"]


@pytest.mark.parametrize("original", [coroutine, generator, both])
def test_a_copy_by_value_runs_without_recording(core: Any, original: Any) -> None:
    """It holds nothing of ours but its stand-in."""
    wrapped = PREDICT(original)
    wrapped.__module__ = "__main__"
    wrapped.__globals__  # noqa: B018 - by value, where pickles name no module of ours
    text = cloudpickle.dumps(wrapped)
    assert b"tidegauge.calls" not in text
    copy = pickle.loads(text)

    async def ask() -> Any:
        return await copy(None, 3) if original is coroutine else await anext(copy(None, 3))

    assert 3 == (next(copy(None, 3)) if original is generator else asyncio.run(ask()))
    assert {} == counts(core)
