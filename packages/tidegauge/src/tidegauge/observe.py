"""The wrapper of a prediction method: the only code of ours that a caller runs.

It calls no instrument, reads no environment, takes no lock. What it may cost, and what it costs, is
in the benchmarks.

cloudpickle copies a class of ``__main__`` by value, methods and closures with it. So a wrapper's
closure holds the original, and one ``Calls``, which pickles as a stand-in from the standard library
that says «not now». The copy runs without Tidegauge, as the original does. ``Calls.ignore``, where
there is one, is copied as well: a closure that names its library alone.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from time import perf_counter
from types import SimpleNamespace
from typing import Any, TypeAlias

from numpy import ndarray

from tidegauge import identity
from tidegauge.calls import CHECK_MASK, FLOAT32, FLOAT64, Calls
from tidegauge.info import Describe
from tidegauge.snapshot import MAX_COLUMNS, Snapshot
from tidegauge.suppression import HERE, INSIDE, is_inside
from tidegauge.unfolding import awaited, generated, generated_async, streamed

#: Turns an original method into its wrapper.
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

_TABLE = 2


def observer(
    operation: str,
    describe: Describe,
    *,
    argument: str = "X",
    position: int = 0,
    skip: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None,
    features: Callable[[Any], Any] | None = None,
    outputs: Callable[[Any], Any] | None = None,
) -> Decorator:
    """Return the decorator of a prediction method.

    Plain methods, coroutine functions and generator functions of both kinds are wrapped, each as
    what it is.
    What a hook raises is counted, and its call is recorded without what the hook would have given.

    Parameters
    ----------
    operation : str
        The method's name, the ``operation`` of its metrics.
    describe : callable
        Says what a model object is; called once an object, on its first call.
    argument, position : str, int
        Name and place, behind the model, of the parameter that holds the features. Without a name
        the first one that is given.
    skip : callable, optional
        ``skip(args, kwargs)`` says that a call is no prediction (it asks for leaf indexes, raw
        margins, contributions). Not asked where the only argument is one by position.
    features : callable, optional
        Turns the argument into what ``snapshot`` reads, or into ``snapshot.Lazy``.
    outputs : callable, optional
        Turns the result into what is recorded, one row for each row of the input.
    """
    return recorder(
        Calls(
            operation, describe, argument,
            position=position, skip=skip, features=features, outputs=outputs,
        )
    )  # fmt: skip


def recorder(  # noqa: C901, PLR0915 - one body: a call that is saved here is saved at each prediction
    calls: Calls,
    *,
    at_once: frozenset[type] | None = None,
) -> Decorator:
    """Return the decorator of a prediction method whose wrappers share ``calls``.

    With ``at_once``, what is answered to a first argument of another type may be a stream:
    see ``Call.followed``.
    """

    def decorate(  # noqa: C901, PLR0915 - as above
        original: Callable[..., Any],
    ) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return awaited(original, calls)
        if inspect.isgeneratorfunction(original):
            return generated(original, calls)
        if inspect.isasyncgenfunction(original):
            return generated_async(original, calls)
        ignore = calls.ignore

        def wrapper(  # noqa: C901, PLR0911, PLR0912, PLR0915 - as above
            self: Any, data: Any = ..., /, *rest: Any, **kwargs: Any
        ) -> Any:
            # Nearly all calls pass one positional argument. Passing it on as such, not packed and
            # unpacked, saves a tenth of all that is here. An ellipsis stands for none.
            plain = data is not ... and not rest and not kwargs
            args: tuple[Any, ...]
            if not plain:
                args = () if data is ... else (data, *rest)
            # First of all: a compiler that follows the call is to see nothing else of ours.
            if ignore is not None and ignore(self, data):
                return original(self, data) if plain else original(self, *args, **kwargs)
            # What a slot holds is called in two steps here and below: Python 3.11 is quick to read
            # a slot and slow to call through one, and six such calls are a sixth of all.
            state = calls.state
            get_here = calls.here
            here = get_here()
            ident = state.ident
            if here.owner != ident():
                here = calls.arrive(here)
            if here.busy:
                if plain:
                    return original(self, data)
                # To pass no keywords as such costs more than all of this line.
                return original(self, *args, **kwargs) if kwargs else original(self, *args)
            look = calls.inspect
            context = look()
            if context and calls.muted(context):
                return original(self, data) if plain else original(self, *args, **kwargs)
            if not plain and calls.skip is not None and calls.skips(args, kwargs):
                return original(self, *args, **kwargs)
            if at_once is not None and type(data) not in at_once:
                with calls.call(self, (data,) if plain else args, kwargs) as call:
                    result = original(self, data) if plain else original(self, *args, **kwargs)
                    call.output = result
                return call.followed(result)
            channel = trace = None
            features: Snapshot = None
            outputs: Snapshot
            stride, rows, start, step = 1, 1, 0, 1
            try:
                lookup = calls.lookup
                channel = lookup(id(self)) or calls.register(self)
                if plain and calls.direct:
                    table = data
                else:
                    at = calls.position
                    if plain:
                        table = data if not at else None
                    elif len(args) > at:  # what ``given`` does, without another call
                        table = args[at]
                    else:
                        table = calls.given(args, kwargs)
                    hook = calls.features
                    if hook is not None:  # what ``adapt`` does, without another call
                        try:
                            table = hook(table)
                        except Exception as error:
                            table = calls.unreadable(table, error)
                if context:
                    trace = calls.trace(channel, context)
                stride = state.stride
                if (
                    type(table) is ndarray
                    and ((dtype := table.dtype) is FLOAT64 or dtype is FLOAT32)
                    and stride == 1
                    and table.ndim == 2  # noqa: PLR2004 - a table
                    and len(table) == 1
                    and (width := table.size) <= MAX_COLUMNS
                ):
                    # The common single row: what ``sample`` comes to, without the choices.
                    features = table.tobytes()
                    if dtype is FLOAT32:
                        features = ("array", features, dtype, (1, width), None)
                else:
                    features, rows, start, step = calls.sample(table, stride)
            except Exception as error:
                calls.fault(error, lost=channel is None)
            begun = perf_counter()
            here.busy = True  # the last step before the try: an interrupt must not leave it so
            try:
                if plain:
                    result = original(self, data)
                elif kwargs:
                    result = original(self, *args, **kwargs)
                else:
                    result = original(self, *args)
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
                        and result.dtype is calls.plain_dtype
                        and result.ndim <= _TABLE
                        and result.size <= MAX_COLUMNS
                    ):
                        outputs = result.tobytes()
                    else:
                        outputs = calls.outputs(result, rows, start, step, self)
                    now = state.clock
                    entry = (now(), seconds, rows, None, features, outputs, stride, trace)
                    append = channel.append
                    append(entry)
                    if rows > 1 or not len(channel.entries) & CHECK_MASK:
                        calls.look(channel, entry)
                except Exception as error:
                    calls.rescue(channel, error, seconds=seconds, rows=rows, trace=trace)
            return result

        # Found by ``is_live``, and by the patcher in wrappers that came in a pickle.
        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


def streamer(
    operation: str,
    describe: Describe,
    *,
    argument: str = "X",
    position: int = 0,
    skip: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None,
    features: Callable[[Any], Any] | None = None,
) -> Decorator:
    """Return the decorator of a plain method that returns a generator; see ``observer``.

    The call lasts until the generator is exhausted or closed.
    """
    calls = Calls(operation, describe, argument, position=position, skip=skip, features=features)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        return streamed(original, calls)

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
        kinds = (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        )
        if any(is_kind(original) for is_kind in kinds):
            # The call only makes it. What it does while it runs is recorded.
            return original

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
