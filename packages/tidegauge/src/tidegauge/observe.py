"""The wrapper of a prediction method: the only code of ours that a caller runs.

It calls no instrument, reads no environment, takes no lock. What it may cost, and what it costs, is
in the benchmarks.

cloudpickle copies a class of ``__main__`` by value, methods and closures with it. So a wrapper's
closure holds two things: the original, and one ``Calls``, which pickles as a stand-in from the
standard library that says «not now». The copy runs without Tidegauge, as the original does.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from functools import partial
from itertools import count
from os import urandom
from time import perf_counter, time
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray
from opentelemetry.trace import get_current_span
from tidegauge_semconv import attributes

from tidegauge import identity, pipeline
from tidegauge.channel import CANCELLED, MAX_ENTRIES, Channel, Plain, Trace, payload_bytes
from tidegauge.guard import fault, guarded
from tidegauge.info import Describe, ModelInfo
from tidegauge.otel_private import SUPPRESS_KEY, SUPPRESS_KEY_PLAIN, current_context
from tidegauge.runtime import shared
from tidegauge.snapshot import MAX_COLUMNS, MAX_ROWS, THINNED, Snapshot, choose, row_count, take
from tidegauge.suppression import HERE, INSIDE, Stack, arrive, is_inside

#: Turns an original method into its wrapper.
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

_CANCELLED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)

# Every so many entries a caller looks at the length of its deque.
_CHECK_MASK = 0xFF
# An output row of so many values is copied as a list: cheaper than an array's bytes and layout.
_SMALL = 16
_TABLE = 2

_FLOAT64 = np.dtype(np.float64)

_prediction_ids = count()
_process_id = urandom(6).hex()


def new_prediction_id() -> str:
    """Return an id that no other process uses, cheaper than a UUID."""
    return f"{_process_id}-{next(_prediction_ids):x}"


def renew_process_id() -> None:
    """Give a forked child ids of its own."""
    global _process_id  # noqa: PLW0603 - one value a process
    _process_id = urandom(6).hex()


class Calls:
    """What the wrappers of one operation share; see the module's first lines for its pickle."""

    __slots__ = (
        "argument",
        "arrive",
        "channels",
        "check",
        "describe",
        "here",
        "inspect",
        "lookup",
        "operation",
        "outputs",
        "sample",
        "state",
    )

    def __init__(self, operation: str, describe: Describe, argument: str) -> None:
        self.operation = operation
        self.describe = describe
        self.argument = argument
        self.channels: dict[int, Channel] = identity.new_cache()
        # Bound once: a look-up saved at each call.
        self.lookup = self.channels.get
        self.here: Callable[[], Stack] = HERE.get
        self.arrive = arrive
        self.state = shared
        self.inspect = current_context
        self.sample = _sample
        self.outputs = _outputs
        self.check = check

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        # The copy finds itself inside a call, always: only the original runs.
        inside = partial(SimpleNamespace, busy=True, owner=0)
        return SimpleNamespace, (), {"here": inside, "state": SimpleNamespace(ident=int)}

    def switch(self, *, on: bool) -> None:
        """Let wrappers record, or pass through those that somebody still holds."""
        self.here = HERE.get if on else _inside

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
        """Name the model on a recording span, and remember the span for an exemplar."""
        span = get_current_span(context)
        if not span.is_recording():
            return None
        prediction_id = prediction_id or new_prediction_id()
        span.set_attribute(attributes.MODEL_NAME, channel.key.name)
        span.set_attribute(attributes.MODEL_VERSION, channel.key.version)
        span.set_attribute(attributes.PREDICTION_ID, prediction_id)
        ids = span.get_span_context()
        return Trace(ids.trace_id, ids.span_id, prediction_id)

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
        failure = CANCELLED if isinstance(error, _CANCELLED) else type(error).__name__
        try:
            entry = (shared.clock(), seconds, rows, failure, None, None, 1, trace)
            channel.append(entry)
            self.look(channel, entry)
        except Exception as inner:
            self.rescue(channel, inner, seconds=seconds, rows=rows, trace=trace, failure=failure)

    def look(self, channel: Channel, entry: Plain) -> None:
        """Check what waits, now and then. The call counts, whatever becomes of this."""
        try:
            if entry[2] > 1 or not len(channel.entries) & _CHECK_MASK:
                self.check(channel, entry)
        except Exception as error:
            self.fault(error)

    def fault(self, error: Exception, *, lost: bool = False) -> None:
        """Count what went wrong in here; the app's call is not affected."""
        fault(f"{'lost' if lost else 'record'}.{self.operation}", error)

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


def observer(  # noqa: C901, PLR0915 - one body: a call that is saved here is saved at each prediction
    operation: str, describe: Describe, *, argument: str = "X"
) -> Decorator:
    """Return the decorator of a prediction method.

    Parameters
    ----------
    operation : str
        The method's name, the ``operation`` of its metrics.
    describe : callable
        Says what a model object is; called once an object, on its first call.
    argument : str
        Name of the first parameter, for callers that pass the features by keyword.
    """
    calls = Calls(operation, describe, argument)

    def decorate(  # noqa: C901, PLR0915 - as above
        original: Callable[..., Any],
    ) -> Callable[..., Any]:
        def wrapper(  # noqa: C901, PLR0912, PLR0915 - as above
            self: Any, data: Any = ..., /, *rest: Any, **kwargs: Any
        ) -> Any:
            # Nearly all calls pass one positional argument. Passing it on as such, not packed and
            # unpacked, saves a tenth of all that is here. An ellipsis stands for none.
            plain = data is not ... and not rest and not kwargs
            args: tuple[Any, ...]
            if not plain:
                args = () if data is ... else (data, *rest)
            # What a slot holds is called in two steps here and below: Python 3.11 is quick to read
            # a slot and slow to call through one, and six such calls are a sixth of all.
            state = calls.state
            get_here = calls.here
            here = get_here()
            ident = state.ident
            if here.owner != ident():
                here = calls.arrive(here)
            if here.busy:
                return original(self, data) if plain else original(self, *args, **kwargs)
            inspect = calls.inspect
            context = inspect()
            if context and calls.muted(context):
                return original(self, data) if plain else original(self, *args, **kwargs)
            channel = trace = None
            features: Snapshot = None
            outputs: Snapshot
            stride, rows, start, step = 1, 1, 0, 1
            try:
                lookup = calls.lookup
                channel = lookup(id(self)) or calls.register(self)
                if data is ...:
                    data = kwargs.get(calls.argument)
                if context:
                    trace = calls.trace(channel, context)
                stride = state.stride
                if (
                    type(data) is ndarray
                    and data.dtype is _FLOAT64
                    and stride == 1
                    and data.ndim == 2  # noqa: PLR2004 - a table
                    and len(data) == 1
                    and data.size <= MAX_COLUMNS
                ):
                    # The common single row: what ``sample`` comes to, without the choices.
                    features = data.tobytes()
                else:
                    features, rows, start, step = calls.sample(data, stride)
            except Exception as error:
                calls.fault(error, lost=channel is None)
            begun = perf_counter()
            here.busy = True  # the last step before the try: an interrupt must not leave it so
            try:
                result = original(self, data) if plain else original(self, *args, **kwargs)
            except BaseException as error:
                here.busy = False
                seconds = perf_counter() - begun
                calls.failed(channel, error, seconds, rows, trace)
                raise
            here.busy = False
            seconds = perf_counter() - begun
            if channel is not None:
                try:
                    if (
                        rows == 1
                        and type(result) is ndarray
                        and result.dtype is _FLOAT64
                        and result.ndim <= _TABLE
                        and result.size <= MAX_COLUMNS
                    ):
                        outputs = result.tobytes()
                    else:
                        outputs = calls.outputs(result, rows, start, step)
                    now = state.clock
                    entry = (now(), seconds, rows, None, features, outputs, stride, trace)
                    append = channel.append
                    append(entry)
                    if rows > 1 or not len(channel.entries) & _CHECK_MASK:
                        calls.look(channel, entry)
                except Exception as error:
                    calls.rescue(channel, error, seconds=seconds, rows=rows, trace=trace)
            return result

        # Found by ``is_live``, and by the patcher in wrappers that came in a pickle.
        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


class Silence:
    """What the wrappers of suppressed methods share; pickles like ``Calls``."""

    __slots__ = ("active", "begin")

    def __init__(self) -> None:
        self.active: Callable[[], bool] = is_inside
        self.begin: Callable[[], Any] = lambda: HERE.set(INSIDE)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return SimpleNamespace, (), {"active": object, "begin": object, "end": operator.is_}

    def end(self, token: Any, arguments: tuple[Any, ...]) -> None:
        """Record again; what was fitted may have other names and classes now."""
        HERE.reset(token)
        if arguments:
            identity.changed(arguments[0])


def suppressor() -> Decorator:
    """Return the decorator of a method whose inner predictions are no predictions: fit, score."""
    silence = Silence()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            token = silence.begin()
            try:
                return original(*args, **kwargs)
            finally:
                silence.end(token, args)

        wrapper.__tidegauge__ = silence  # type: ignore[attr-defined]
        return wrapper

    return decorate


def is_wrapper(function: object) -> bool:
    """Say whether a function is a wrapper of ours: of this process, or out of a pickle.

    ``functools.wraps`` copies the mark to whatever wraps a wrapper of ours (scikit-learn's
    ``set_output`` does), but only ours holds it in its closure as well.
    """
    mark = getattr(function, "__tidegauge__", None)
    if mark is None:
        return False
    try:
        return any(cell.cell_contents is mark for cell in getattr(function, "__closure__", ()))
    except (TypeError, ValueError):  # no closure, or a cell that is not filled yet
        return False


def is_live(function: object) -> bool:
    """Say whether a function is a wrapper of this process, not one that came in a pickle."""
    return is_wrapper(function) and isinstance(
        getattr(function, "__tidegauge__", None), Calls | Silence
    )


def _inside() -> Stack:
    return INSIDE


def _sample(data: Any, stride: int) -> tuple[Snapshot, int, int, int]:
    rows = row_count(data)
    if not rows:
        return None, 0, 0, 1
    start, step = (0, 1) if stride == 1 and rows <= MAX_ROWS else choose(rows, stride)
    if start >= rows:
        return THINNED, rows, start, step
    try:
        return take(data, start, step), rows, start, step
    except Exception as error:  # their number counts, whatever became of the rows
        fault("record.features", error)
        return None, rows, start, step


def _outputs(result: Any, rows: int, start: int, step: int) -> Snapshot:
    if start >= rows:
        return None
    try:
        if rows == 1 and type(result) is ndarray and result.size <= _SMALL:
            values: list[Any] | None = result.tolist() if result.ndim in (1, _TABLE) else None
            return values
        return _several(result, rows, start, step)
    except Exception as error:  # the call counts, whatever became of its outputs
        fault("record.outputs", error)
        return None


def _several(result: Any, rows: int, start: int, step: int) -> Snapshot:
    first = result[0] if type(result) in (list, tuple) and result else None
    if type(first) is ndarray:
        if type(result) is list and first.ndim == _TABLE:
            # One array an output (MultiOutputClassifier.predict_proba): side by side.
            return take(np.hstack([part[start::step] for part in result]), 0, 1)
        if type(result) is tuple and first.ndim and len(first) == rows:
            # The prediction, and what else was asked for (``return_std=True``).
            result = first
    return take(result, start, step) if row_count(result) == rows else None


def check(channel: Channel, entry: Plain) -> None:
    """Keep memory bounded: leave features out above the byte budget, drain far above that."""
    _, _, rows, _, features, outputs, _, _ = entry
    size = 0 if features is THINNED else payload_bytes(features) + payload_bytes(outputs)
    channels, limit = shared.channels, shared.settings.buffer_bytes
    if rows > 1:
        channel.waiting_bytes += size
        channels.waiting_bytes += size + channel.row_bytes
    else:
        channel.row_bytes = size + 300 if size else channel.row_bytes
        channels.waiting_bytes += channel.row_bytes * (_CHECK_MASK + 1)
    # The estimate is at hand; the sum over all channels is not to be paid for at each call.
    if shared.stride and channels.waiting_bytes > limit and channels.size_bytes() > limit:
        shared.stride = 0
    if len(channel.entries) > MAX_ENTRIES:
        pipeline.help_out()
