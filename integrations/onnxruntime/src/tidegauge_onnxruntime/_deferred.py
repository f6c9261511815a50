"""Wrappers of the methods that return no result: it is bound elsewhere, or comes later.

The closure of each holds the original and one ``Calls``, as in ``tidegauge.observe``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from tidegauge.call import Call
from tidegauge.calls import Calls
from tidegauge.guard import guarded
from tidegauge.info import Describe
from tidegauge.observe import Decorator

from tidegauge_onnxruntime._extract import bound_rows, features, outputs

_CALLBACK = 2


class RunAsyncError(Exception):
    """What ``run_async`` counts where ONNX Runtime tells its callback of an error, in words."""


class Bound(Call):
    """A call that leaves its results in an ``IOBinding``: then their shape tells its rows."""

    __slots__ = ()

    def end(self, seconds: float, error: BaseException | None = None) -> None:
        """Record the call."""
        if error is None:
            with guarded("record.iobinding"):
                rows = bound_rows(self._data)
                self._sampling = (rows, rows, 1)  # none of them is looked at
        super().end(seconds, error)


def bound(describe: Describe) -> Decorator:
    """Return the decorator of ``run_with_iobinding``."""
    calls = Calls("run_with_iobinding", describe, "iobinding", features=lambda _: None)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if calls.inside():
                return original(self, *args, **kwargs)
            with Bound(calls, self, calls.given(args, kwargs)):
                return original(self, *args, **kwargs)

        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


def asynchronous(describe: Describe) -> Decorator:
    """Return the decorator of ``run_async``: a call lasts until its callback is called."""
    calls = Calls(
        "run_async", describe, "input_feed", position=1, features=features, outputs=outputs
    )

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if calls.inside():
                return original(self, *args, **kwargs)
            call = calls.call(self, args, kwargs)
            call.begin()
            begun = perf_counter()
            args, kwargs = _told(args, kwargs, call, begun)
            call.inward()
            try:
                result = original(self, *args, **kwargs)
            except BaseException as error:
                call.outward()
                call.end(perf_counter() - begun, error)
                raise
            call.outward()
            return result

        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _told(
    args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, begun: float
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with a callback that ends the call before it calls the app's."""
    callback = args[_CALLBACK] if len(args) > _CALLBACK else kwargs.get("callback")
    if not callable(callback):
        return args, kwargs

    def tell(results: Any, user_data: Any, error: str) -> Any:
        seconds = perf_counter() - begun
        with guarded("record.run_async"):
            call.output = results
            call.end(seconds, RunAsyncError() if error else None)
        return callback(results, user_data, error)

    if len(args) > _CALLBACK:
        return (*args[:_CALLBACK], tell, *args[_CALLBACK + 1 :]), kwargs
    return args, kwargs | {"callback": tell}
