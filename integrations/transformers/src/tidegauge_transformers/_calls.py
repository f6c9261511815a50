"""One call of a pipeline: answered at once, or while the caller reads the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from os import getpid
from random import randrange
from time import perf_counter
from types import GeneratorType
from typing import Any

import numpy as np
from tidegauge import identity
from tidegauge.call import Call
from tidegauge.calls import Calls
from tidegauge.guard import guarded
from tidegauge.observe import Silence
from tidegauge.snapshot import MAX_ROWS, Lazy

from tidegauge_transformers._extract import rows_of

_streams = identity.new_cache()


class PipelineCalls(Calls):
    """What the wrappers of all pipelines share."""

    __slots__ = ()

    def call(self, model: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PipelineCall:
        """Return the context manager of one call."""
        return PipelineCall(self, model, self.given(args, kwargs))


class PipelineCall(Call):
    """A call that is over when its answer is there, or, of a stream, when the last one is."""

    __slots__ = ("_seconds",)

    def __init__(self, calls: Calls, model: object, data: Any) -> None:
        super().__init__(calls, model, data)
        self._seconds = -1.0

    def end(self, seconds: float, error: BaseException | None = None) -> None:
        """Record the call, unless its answers are still to be read."""
        if error is None and _is_stream(self.output):
            self._seconds, self.output = seconds, None
        else:
            super().end(seconds, error)

    def followed(self, result: Any) -> Any:
        """Return what the caller gets: the same object, but of a plain generator."""
        if self._seconds < 0:
            return result
        with guarded("record.stream"):
            stream = Stream(self, self._seconds)
            if isinstance(result, GeneratorType):
                return stream.replayed(result)
            if identity.watch(result):
                _streams[id(result)] = stream
        return result

    def stop(self, seconds: float, rows: int, kept: list[Any], error: BaseException | None) -> None:
        """Record a stream of so many rows, of which some were kept."""
        # The rows are chosen already, each with the same chance.
        self._sampling = (rows, 0, 1)
        self._features = None
        self.output = Lazy(rows, lambda *_: _joined(kept)) if kept else None
        super().end(seconds, error)

    def wants(self) -> bool:
        """Say whether one more row shall be kept: the thinning in force, and whether to record."""
        stride = self._stride
        return self._channel is not None and stride > 0 and (stride == 1 or not randrange(stride))

    def row(self, answer: Any) -> Any:
        """Return what is recorded of one answer; None of one that is not known."""
        found = rows_of([answer], self._model)
        return None if found is None else found[0]

    def again(self) -> PipelineCall:
        """Return a call for whoever reads a stream once more."""
        further = PipelineCall(self._calls, self._model, self._data)
        further.begin()
        return further


class Stream:
    """The reading of a stream of answers: one call, from the first to the last."""

    __slots__ = ("_call", "_kept", "_over", "_process", "_rows", "_seconds", "_wanted")

    def __init__(self, call: PipelineCall, seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._process = getpid()
        self._begin()

    def _begin(self) -> None:
        self._rows = self._wanted = 0
        self._kept: list[Any] = []
        self._over = False

    def step(self, act: Callable[..., Any], *args: Any) -> Any:
        """Read one answer. Between two the caller is outside of the call."""
        call, begun = self._call, perf_counter()
        if call._calls.inside():  # noqa: SLF001 - its own kind
            return act(*args)
        call.inward()
        try:
            result = act(*args)
        except BaseException as error:
            call.outward()
            self._seconds += perf_counter() - begun
            with guarded("record.stream"):
                self._end(None if isinstance(error, StopIteration) else error)
            raise
        call.outward()
        self._seconds += perf_counter() - begun
        with guarded("record.stream"):
            self._keep(result)
        return result

    def replayed(self, result: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Return a generator that reads another one."""
        try:
            while True:
                try:
                    item = self.step(next, result)
                except StopIteration:
                    return
                yield item
        finally:
            result.close()
            self.close()

    def close(self) -> None:
        """Record what was read: nobody reads on."""
        with guarded("record.stream"):
            self._end(GeneratorExit())

    def __del__(self) -> None:
        self.close()

    def _keep(self, result: Any) -> None:
        if self._over:
            self._call, self._seconds = self._call.again(), 0.0
            self._begin()
        self._rows += 1
        if not self._call.wants():
            return
        # Of the first 256 all, then each in the place of any with the same chance.
        self._wanted += 1
        if len(self._kept) < MAX_ROWS:
            self._kept.append(self._call.row(result))
        elif (place := randrange(self._wanted)) < MAX_ROWS:
            self._kept[place] = self._call.row(result)

    def _end(self, error: BaseException | None) -> None:
        # In a forked child it is the parent's.
        if not self._over and self._process == getpid():
            self._over = True
            kept, self._kept = self._kept, []
            self._call.stop(self._seconds, self._rows, kept, error)


class StreamSteps(Silence):
    """What the wrapper of ``__next__`` holds."""

    __slots__ = ()

    def find(self, iterator: object) -> Stream | None:
        """Return the stream that an iterator is; None of one that is inside another."""
        found: Stream | None = _streams.get(id(iterator))
        return found


def _joined(kept: list[Any]) -> Any:
    if any(row is None for row in kept):
        return None
    return np.stack(kept) if all(isinstance(row, np.ndarray) for row in kept) else kept


def _is_stream(output: Any) -> bool:
    if isinstance(output, GeneratorType):
        return True
    return any(kind.__name__ == "PipelineIterator" for kind in type(output).__mro__)
