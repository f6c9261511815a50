"""One call in the making, as a context manager: where a wrapped method is not the plain kind.

Slower than the wrapper of ``observe``, and the same path: what it leaves is one entry.
"""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidegauge.channel import Channel, Trace
from tidegauge.snapshot import Snapshot
from tidegauge.suppression import HERE, Stack, everywhere

if TYPE_CHECKING:
    from tidegauge.calls import Calls


class Call:
    """A call of a model: its block's time is the latency, its exception, if any, the error.

    Threads and tasks that the block starts work for this call, so what they ask of other models is
    no call of its own; when the block is over, what goes on after it is.
    """

    __slots__ = (
        "_before",
        "_begun",
        "_calls",
        "_channel",
        "_data",
        "_features",
        "_model",
        "_sampling",
        "_stack",
        "_stride",
        "_trace",
        "id",
        "output",
    )

    def __init__(self, calls: Calls, model: object, data: Any, prediction_id: str = "") -> None:
        self._model = model
        self._calls = calls
        self._data = data
        self._channel: Channel | None = None
        self._before: Stack | None = None
        self._stack: Stack | None = None
        self._trace: Trace | None = None
        self._features: Snapshot = None
        self._sampling = (1, 0, 1)
        self._stride = 1
        self._begun = 0.0
        #: What a later outcome refers to; made by the span where it is empty.
        self.id = prediction_id
        #: The prediction; None where there is none to record.
        self.output: Any = None

    def __enter__(self) -> Self:
        if not self._calls.inside():
            self.begin()
            self.inward()
        self._begun = perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        seconds = perf_counter() - self._begun
        self.outward()
        self.end(seconds, error)

    def begin(self) -> None:
        """Take what is there before the call."""
        calls = self._calls
        try:
            context = calls.inspect()
            if context and calls.muted(context):
                return
            self._channel = calls.lookup(id(self._model)) or calls.register(self._model)
            if context:
                self._trace = calls.trace(self._channel, context, self.id)
            self._stride = calls.state.stride
            self._features, *sampling = calls.sample(calls.adapt(self._data), self._stride)
            self._sampling = (sampling[0], sampling[1], sampling[2])
        except Exception as error:
            calls.fault(error, lost=self._channel is None)

    def inward(self) -> None:
        """Go inside the call, in the current context."""
        # Not by a token: a block may be left in another context, where a token raises.
        self._before = HERE.get()
        self._stack = everywhere()
        HERE.set(self._stack)

    def outward(self) -> None:
        """Go back to what was in force."""
        if self._before is not None and self._stack is not None:
            self._stack.busy = False
            HERE.set(self._before)

    def end(self, seconds: float, error: BaseException | None = None) -> None:
        """Record the call, or how it failed."""
        calls, channel = self._calls, self._channel
        rows, start, step = self._sampling
        if error is not None:
            calls.failed(channel, error, seconds, rows, self._trace)
        elif channel is not None:
            output = None
            try:
                if self.output is not None:
                    output = calls.outputs(self.shaped(rows), rows, start, step, self._model)
            except Exception as inner:  # the call counts, whatever became of its output
                calls.fault(inner)
            try:
                now = calls.state.clock()
                entry = (
                    now, seconds, rows, None, self._features, output, self._stride, self._trace,
                )  # fmt: skip
                channel.append(entry)
                calls.look(channel, entry)
            except Exception as inner:
                calls.rescue(channel, inner, seconds=seconds, rows=rows, trace=self._trace)

    def followed(self, result: Any) -> Any:
        """Return what the caller gets; a stream of answers, as one that is recorded."""
        return result

    def shaped(self, rows: int) -> Any:  # noqa: ARG002 - for those that know what a row is
        """Return the output in the shape of so many rows."""
        return self.output
