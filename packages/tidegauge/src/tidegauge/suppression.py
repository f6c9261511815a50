"""What is not recorded: calls inside a recorded call, training, and what the app says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

#: True inside a recorded or suppressed call. All integrations share it, so that of nested models
#: only the outermost call counts.
ACTIVE: ContextVar[bool] = ContextVar("tidegauge_active", default=False)


# What was in force before each block that is open, innermost last. No tokens: frameworks leave a
# block in another context than they entered it in (a dependency that yields), where a token raises.
_before: ContextVar[tuple[bool, ...]] = ContextVar("tidegauge_before", default=())

F = TypeVar("F", bound=Callable[..., Any])


class suppress(ContextDecorator):  # noqa: N801 - reads as a statement: with suppress()
    """Turn recording off in a block, or in a function that it decorates.

    Usable with ``with`` and ``async with``, on plain and ``async`` functions, nested, and again.
    """

    def __call__(self, func: F) -> F:
        """Decorate a function; of an ``async`` one the whole run, not the making of it."""
        if not inspect.iscoroutinefunction(func):
            return super().__call__(func)

        @functools.wraps(func)
        async def suppressed(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await func(*args, **kwargs)

        return suppressed  # type: ignore[return-value]

    def __enter__(self) -> None:
        _before.set((*_before.get(), ACTIVE.get()))
        ACTIVE.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        *outer, before = _before.get() or (False,)
        _before.set(tuple(outer))
        ACTIVE.set(before)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, tb)
