"""Carries «inside a recorded call» into joblib's workers.

A random forest with ``n_jobs=2`` asks its trees in threads, which start with an empty context:
without this each tree would count as a prediction of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tidegauge.observe import Silence
from tidegauge.patcher import Methods
from tidegauge.suppression import ACTIVE

Task = tuple[Callable[..., Any], Any, Any]


class _Inside:
    """Calls a function as a part of the recorded call. Pickles as the function alone."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = ACTIVE.set(True)
        try:
            return self._function(*args, **kwargs)
        finally:
            ACTIVE.reset(token)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process may not have Tidegauge; one that does starts no prediction of its own.
        return functools.partial, (self._function,)


def _carry(tasks: Iterable[Task]) -> Iterator[Task]:
    for function, args, kwargs in tasks:
        yield _Inside(function), args, kwargs


def _decorate(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, iterable: Iterable[Task]) -> Any:
        return original(self, _carry(iterable) if ACTIVE.get() else iterable)

    wrapper.__tidegauge__ = Silence()  # type: ignore[attr-defined]
    return wrapper


#: Shared by every integration whose library runs its models through joblib.
JOBLIB = Methods("joblib.parallel", "Parallel", {"__call__": _decorate})
