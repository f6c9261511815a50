"""What the wrappers of one operation share: how its models, features and outputs are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from time import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from opentelemetry.trace import get_current_span
from tidegauge_semconv import attributes

from tidegauge import identity, pipeline, prediction_ids
from tidegauge.call import Call
from tidegauge.channel import CANCELLED, MAX_ENTRIES, Channel, Plain, Trace, payload_bytes
from tidegauge.guard import fault, guarded
from tidegauge.info import Describe, ModelInfo
from tidegauge.otel_private import SUPPRESS_KEY, SUPPRESS_KEY_PLAIN, current_context
from tidegauge.request import KEY as REQUEST
from tidegauge.runtime import shared
from tidegauge.sampling import Answers, Sampler, adapted, outputs_of, sample
from tidegauge.snapshot import THINNED, Lazy, row_count
from tidegauge.suppression import HERE, INSIDE, Stack, arrive, holds
from tidegauge.unfolding import AsyncSteps, Steps

#: Every so many entries a caller looks at the length of its deque.
CHECK_MASK = 0xFF
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

# An entry with its numbers; its span's ids and the texts of its request, as ``getsizeof`` has them.
_ENTRY_BYTES = 300
_TRACE_BYTES = 400

_name_of = type.__dict__["__name__"].__get__
_CANCELLED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


class Calls:
    """What the wrappers of one operation share; ``observe`` says why it pickles as it does."""

    __slots__ = (
        "__weakref__",
        "argument",
        "arrive",
        "channels",
        "check",
        "describe",
        "direct",
        "features",
        "here",
        "ignore",
        "inspect",
        "lookup",
        "operation",
        "outputs",
        "plain_dtype",
        "position",
        "sample",
        "skip",
        "state",
    )

    def __init__(
        self,
        operation: str,
        describe: Describe,
        argument: str = "",
        *,
        position: int = 0,
        skip: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None,
        features: Callable[[Any], Any] | None = None,
        outputs: Callable[[Any], Any] | None = None,
        ignore: Callable[[Any, Any], object] | None = None,
    ) -> None:
        self.operation = operation
        self.describe = describe
        self.argument = argument
        self.position = position
        self.skip = skip
        self.features = features
        #: ``ignore(model, data)`` says that a call is passed on as if nothing was patched. It is
        #: asked before all else, of nested calls too, and never raises. Wrappers hold it as they
        #: are made: it has to be there before.
        self.ignore = ignore
        #: The first argument is the features, as they are.
        self.direct = not position and features is None
        #: A single row of outputs of this type is copied without a further look.
        self.plain_dtype = FLOAT64 if outputs is None else None
        self.channels: dict[int, Channel] = identity.new_cache()
        # Bound once: a look-up saved at each call.
        self.lookup = self.channels.get
        self.here: Callable[[], Stack] = HERE.get
        self.arrive = arrive
        self.state = shared
        self.inspect = current_context
        self.sample: Sampler = sample
        self.outputs: Answers = outputs_of if outputs is None else adapted(outputs)
        self.check = check

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        # The copy finds itself inside a call, always: only the original runs.
        standing = {
            "here": partial(SimpleNamespace, busy=True, owner=0),
            "inside": partial(bool, 1),
            "passes": slice,  # whatever it is asked, what it answers is true
            "state": SimpleNamespace(ident=int),
        }
        return SimpleNamespace, (), standing

    def switch(self, *, on: bool) -> None:
        """Let wrappers record, or pass through those that somebody still holds."""
        self.here = HERE.get if on else _inside

    def inside(self) -> bool:
        """Say whether a call now is a part of one that is recorded, or of none."""
        return holds(self.here())

    def passes(self, model: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether a call is passed on unrecorded; what the plain wrapper asks bit by bit."""
        if self.ignore is not None and self.ignore(model, args[0] if args else ...):
            return True
        return self.inside() or self.skips(args, kwargs)

    def skips(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether a call with these arguments, without the model, is no prediction."""
        if self.skip is None:
            return False
        try:
            return self.skip(args, kwargs)
        except Exception as error:
            self.fault(error)
            return False

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the argument that holds the features; None where it was left out."""
        at = self.position
        if len(args) > at:
            return args[at]
        if not self.argument:
            return next(iter(kwargs.values()), None)
        return kwargs.get(self.argument)

    def adapt(self, value: Any) -> Any:
        """Return the features in a form that can be read; where that breaks, their number."""
        if self.features is None:
            return value
        try:
            return self.features(value)
        except Exception as error:
            return self.unreadable(value, error)

    def unreadable(self, value: Any, error: Exception) -> Lazy:
        """Count a fault of the hook that should have made features of a value."""
        self.fault(error)
        return Lazy(row_count(value), lambda *_: None)

    def call(self, model: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return the context manager of one call of a wrapped method."""
        return Call(self, model, self.given(args, kwargs))

    def steps(
        self, inner: Generator[Any, Any, Any], model: object, *given: Any
    ) -> Generator[Any, Any, Any]:
        """Return a generator whose steps are one call of a wrapped method."""
        return Steps(inner, self.call(model, *given))

    def async_steps(
        self, inner: AsyncGenerator[Any, Any], model: object, *given: Any
    ) -> AsyncGenerator[Any, Any]:
        """Return an asynchronous generator whose steps are one call of a wrapped method."""
        return AsyncSteps(inner, self.call(model, *given))

    def stream(
        self, inner: Generator[Any, Any, Any], model: object, *given: Any
    ) -> Generator[Any, Any, Any]:
        """Return a true generator of such steps, whose call begins when it is first read."""
        return (yield from self.steps(inner, model, *given))

    def register(self, model: object) -> Channel:
        """Find out what a model object is, once, and where its calls go."""
        with guarded("pipeline.start"):  # where no thread can be had, collections drain
            pipeline.start()
        try:
            info = self.describe(model)
        except Exception as error:
            self.fault(error)
            info = ModelInfo(type(model).__module__.partition(".")[0], type(model).__name__)
        key = identity.resolve(model, info, shared.settings)
        channel = shared.channels.get(key, self.operation, info)
        if identity.watch(model):
            self.channels[id(model)] = channel
        return channel

    def muted(self, context: dict[str, Any]) -> bool:
        """Say whether OpenTelemetry's own suppression is on (exporters set it)."""
        return bool(context.get(SUPPRESS_KEY) or context.get(SUPPRESS_KEY_PLAIN))

    def trace(self, channel: Channel, context: Any, prediction_id: str = "") -> Trace | None:
        """Name the model on a recording span; remember span and web request for an exemplar."""
        span = get_current_span(context)
        request = context.get(REQUEST)
        if not span.is_recording():
            return None if request is None else Trace(0, 0, prediction_id, request)
        prediction_id = prediction_id or prediction_ids.new()
        span.set_attribute(attributes.MODEL_NAME, channel.key.name)
        span.set_attribute(attributes.MODEL_VERSION, channel.key.version)
        span.set_attribute(attributes.PREDICTION_ID, prediction_id)
        if request is not None:
            request.put_on(span)
        ids = span.get_span_context()
        return Trace(ids.trace_id, ids.span_id, prediction_id, request)

    def failed(
        self,
        channel: Channel | None,
        error: BaseException,
        seconds: float,
        rows: int,
        trace: Trace | None,
    ) -> None:
        """Record a call that raised; the exception itself goes on to the caller."""
        if channel is None:
            return
        # The name that Python gave it: a class of the app's may have another one, which raises.
        named: str = _name_of(type(error))
        failure = CANCELLED if isinstance(error, _CANCELLED) else named
        try:
            entry = (shared.clock(), seconds, rows, failure, None, None, 1, trace)
            channel.append(entry)
            self.look(channel, entry)
        except Exception as inner:
            self.rescue(channel, inner, seconds=seconds, rows=rows, trace=trace, failure=failure)

    def look(self, channel: Channel, entry: Plain) -> None:
        """Check what waits, now and then. The call counts, whatever becomes of this."""
        try:
            if entry[2] > 1 or not len(channel.entries) & CHECK_MASK:
                self.check(channel, entry)
        except Exception as error:
            self.fault(error)

    def fault(self, error: Exception, *, lost: bool = False) -> None:
        """Count what went wrong in here; the app's call is not affected."""
        try:  # noqa: SIM105 - ``suppress`` needs another frame
            fault(f"{'lost' if lost else 'record'}.{self.operation}", error)
        # An app at the limit of recursion: no room to count. What measures takes frames of its own.
        except Exception:  # noqa: S110  # pragma: no cover
            pass

    def rescue(
        self,
        channel: Channel,
        error: Exception,
        *,
        seconds: float,
        rows: int,
        trace: Trace | None,
        failure: str | None = None,
    ) -> None:
        """Count a call that could not be recorded: without its rows, by the plainest means."""
        self.fault(error)
        try:
            channel.entries.append((time(), seconds, rows, failure, None, None, 1, trace))
        except Exception as inner:
            self.fault(inner, lost=True)


def _inside() -> Stack:
    return INSIDE


def check(channel: Channel, entry: Plain) -> None:
    """Keep memory bounded: leave features out above the byte budget, drain far above that."""
    _, _, rows, _, features, outputs, _, trace = entry
    size = 0 if features is THINNED else payload_bytes(features) + payload_bytes(outputs)
    channels, limit = shared.channels, shared.settings.buffer_bytes
    if rows > 1:
        channel.waiting_bytes += size
        channels.waiting_bytes += size + channel.row_bytes
    else:
        around = _ENTRY_BYTES if trace is None else _ENTRY_BYTES + _TRACE_BYTES
        channel.row_bytes = size + around if size else channel.row_bytes
        channels.waiting_bytes += channel.row_bytes * (CHECK_MASK + 1)
    # The estimate is at hand; the sum over all channels is not to be paid for at each call.
    if shared.stride and channels.waiting_bytes > limit and channels.size_bytes() > limit:
        shared.stride = 0
    if len(channel.entries) > MAX_ENTRIES:
        pipeline.help_out()
