"""Carries «inside a recorded call» into joblib's workers.

A random forest with ``n_jobs=2`` asks its trees in threads, which start with an empty context:
without this each tree would count as a prediction of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from tidegauge.observe import Silence
from tidegauge.patcher import Methods
from tidegauge.suppression import HERE, INSIDE

Task = tuple[Callable[..., Any], Any, Any]


class Inside:
    """Calls a function as a part of the recorded call."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; a prediction in it is no request of its own."""
        token = HERE.set(INSIDE)
        try:
            return self._function(*args, **kwargs)
        finally:
            HERE.reset(token)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._function,)


class _Later:
    """An expression that is worked out where it is unpickled."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def __call__(self) -> None:
        """Do nothing: pickle wants what it shall call there to be callable here."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self._function, self._arguments


# getattr(sys.modules.get(<this module>), "Portable", functools.partial): nothing that is not in the
# standard library, and where Tidegauge is loaded a task that can be sent on: Dask's scheduler does.
_modules = _Later(getattr, _Later(import_module, "sys"), "modules")
_this_module = _Later(_Later(getattr, _modules, "get"), __name__)
_portable_or_partial = _Later(getattr, _this_module, "Portable", functools.partial)


class Portable(Inside):
    """The same, for workers that may be machines without Tidegauge: there it is the function."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _portable_or_partial, (self._function,)


def _kind(parallel: object) -> type[Inside]:
    # joblib's own workers run this interpreter: where they record, they can load ``Inside``.
    # Others (Dask, whose backend is a module of joblib too, Ray, Spark) may run anything.
    backend = type(getattr(parallel, "_backend", None))
    return Inside if backend.__module__ == "joblib._parallel_backends" else Portable


def _carry(kind: type[Inside], tasks: Iterable[Task]) -> Iterator[Task]:
    for function, args, kwargs in tasks:
        yield kind(function), args, kwargs


def _decorate(original: Callable[..., Any]) -> Callable[..., Any]:
    mark = Silence()

    def wrapper(self: Any, iterable: Iterable[Task]) -> Any:
        if mark.active():
            tasks = _carry(_kind(self), iterable)
            # joblib asks what has a length for it, to show progress.
            iterable = list(tasks) if hasattr(iterable, "__len__") else tasks
        return original(self, iterable)

    wrapper.__tidegauge__ = mark  # type: ignore[attr-defined]
    return wrapper


#: Shared by every integration whose library runs its models through joblib.
JOBLIB = Methods("joblib.parallel", "Parallel", {"__call__": _decorate})
