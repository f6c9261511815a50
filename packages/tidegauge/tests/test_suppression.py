"""What the app says is not to be recorded is not."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tidegauge import suppress
from tidegauge.suppression import is_inside


@pytest.fixture
def predicted(core: Any) -> Callable[[], int]:
    """Predict once; return how many calls have been recorded until now."""
    model = core.model()

    def call() -> int:
        model.predict([[1.0]])
        core.pipeline.flush()
        return int(core.pipeline.tally.total)

    return call


def test_a_block_is_not_recorded(predicted: Callable[[], int]) -> None:
    """Before and after it all is as ever, also where the block raises."""
    found = [predicted()]
    with suppress():
        found.append(predicted())
    with pytest.raises(KeyError), suppress():
        raise KeyError
    found.append(predicted())
    assert [1, 1, 2] == found


def test_blocks_nest_and_are_used_again(predicted: Callable[[], int]) -> None:
    """The inner end does not turn recording on; one object serves many blocks."""
    block = suppress()
    with block:
        with block, suppress():
            assert 0 == predicted()
        assert 0 == predicted()
    assert 1 == predicted()


def test_a_decorated_function_is_not_recorded(predicted: Callable[[], int]) -> None:
    """Recursion and generators included: each call is a block of its own."""

    @suppress()
    def warm_up(depth: int) -> int:
        """Warm up."""
        return warm_up(depth - 1) if depth else predicted()

    assert (0, 1) == (warm_up(3), predicted())
    assert ("warm_up", "Warm up.") == (warm_up.__name__, warm_up.__doc__)


def test_a_decorated_async_function_is_not_recorded(predicted: Callable[[], int]) -> None:
    """For the whole run of it, not for the making of the coroutine alone."""

    @suppress()
    async def warm_up() -> int:
        await asyncio.sleep(0)
        return predicted()

    async def main() -> tuple[int, int]:
        making = warm_up()
        return predicted(), await making

    assert (1, 1) == asyncio.run(main())


def test_an_async_block_stays_in_its_task(predicted: Callable[[], int]) -> None:
    """Tasks that share one object neither mute nor unmute one another, whatever their order."""
    block = suppress()

    async def muted(entered: asyncio.Event, leave: asyncio.Event) -> bool:
        async with block:
            entered.set()
            await leave.wait()
            inside = is_inside()
        return inside and not is_inside()

    async def main() -> None:
        events = [asyncio.Event() for _ in range(4)]
        one = asyncio.create_task(muted(events[0], events[1]))
        other = asyncio.create_task(muted(events[2], events[3]))
        await events[0].wait()
        await events[2].wait()
        assert 1 == predicted()
        events[1].set()  # the first to enter is the first to leave
        assert await one
        events[3].set()
        assert await other

    asyncio.run(main())
    assert 2 == predicted()


def test_a_block_does_not_reach_other_threads(predicted: Callable[[], int]) -> None:
    """A server's other requests are recorded."""
    found: list[int] = []
    with suppress():
        thread = threading.Thread(target=lambda: found.append(predicted()))
        thread.start()
        thread.join()
    assert [1] == found


def test_a_block_may_end_in_another_context() -> None:
    """A web framework ends a dependency that yields in another context than it began it."""

    def dependency() -> Iterator[None]:
        with suppress():
            yield

    running = dependency()
    contextvars.copy_context().run(next, running)
    assert None is contextvars.copy_context().run(next, running, None)
    assert not is_inside()
