"""Wrappers of prediction methods whose calls only begin the work: coroutines and generators.

The closure of each holds the original and one ``Calls``, as in ``observe`` and for the same reason.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegauge.calls import Calls


def awaited(original: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    """Return the wrapper of a coroutine function: a call lasts until its result is there."""

    async def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if calls.passes(self, args, kwargs):
            return await original(self, *args, **kwargs)
        with calls.call(self, args, kwargs) as call:
            call.output = result = await original(self, *args, **kwargs)
        return result

    wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
    return wrapper


def generated(original: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    """Return the wrapper of a generator function: a call lasts until it is exhausted or closed.

    Its latency is the time spent in it, not what its reader does in between.
    """

    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if calls.passes(self, args, kwargs):
            return (yield from original(self, *args, **kwargs))
        return (yield from calls.steps(original(self, *args, **kwargs), self, args, kwargs))

    wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
    return wrapper


def streamed(original: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    """Return the wrapper of a plain function that returns a generator."""

    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if calls.passes(self, args, kwargs):
            return result
        return calls.stream(result, self, args, kwargs)

    wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
    return wrapper


def generated_async(original: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    """Return the wrapper of an asynchronous generator function, to which the same applies."""

    async def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        inner = original(self, *args, **kwargs)
        if not calls.passes(self, args, kwargs):
            inner = calls.async_steps(inner, self, args, kwargs)
        # What ``yield from`` does for others.
        take, given = inner.asend, None
        try:
            while True:
                try:
                    value = await take(given)
                except StopAsyncIteration:
                    return
                try:
                    take, given = inner.asend, (yield value)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    take, given = inner.athrow, error
        finally:
            await inner.aclose()

    wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
    return wrapper


class _InSteps:
    """A call that is made in steps, and what they took."""

    def __init__(self, inner: Any, call: Any) -> None:
        self._inner = inner
        self._call = call
        self._seconds = 0.0
        self._over = False
        call.begin()

    def _leave(self, begun: float) -> None:
        self._call.outward()
        self._seconds += perf_counter() - begun

    def _end(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            self._call.end(self._seconds, error)


class Steps(_InSteps, Generator[Any, Any, Any]):
    """A generator whose steps belong to one call; between them its reader is outside."""

    def send(self, value: Any, /) -> Any:
        """Take a step."""
        return self._step(self._inner.send, value)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """Raise inside the generator."""
        given = (kind,) if value is None and traceback is None else (kind, value, traceback)
        return self._step(self._inner.throw, *given)

    def close(self) -> None:
        """End it early: who reads no further has cancelled the call."""
        try:
            self._inner.close()
        finally:
            self._end(GeneratorExit())

    def _step(self, act: Callable[..., Any], *args: Any) -> Any:
        begun = perf_counter()
        self._call.inward()
        try:
            result = act(*args)
        except BaseException as error:
            self._leave(begun)
            self._end(None if isinstance(error, StopIteration) else error)
            raise
        self._leave(begun)
        return result


class AsyncSteps(_InSteps, AsyncGenerator[Any, Any]):
    """The same of an asynchronous generator; a step lasts until its value is there."""

    async def asend(self, value: Any, /) -> Any:
        """Take a step."""
        return await self._step(self._inner.asend, value)

    async def athrow(self, *given: Any) -> Any:
        """Raise inside the generator."""
        return await self._step(self._inner.athrow, *given)

    async def aclose(self) -> None:
        """End it early: who reads no further has cancelled the call."""
        try:
            await self._inner.aclose()
        finally:
            self._end(GeneratorExit())

    async def _step(self, act: Callable[..., Any], *given: Any) -> Any:
        begun = perf_counter()
        self._call.inward()
        try:
            result = await act(*given)
        except BaseException as error:
            self._leave(begun)
            self._end(None if isinstance(error, StopAsyncIteration) else error)
            raise
        self._leave(begun)
        return result
