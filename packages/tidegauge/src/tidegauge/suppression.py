"""What is not recorded: calls inside a recorded call, training, and what the app says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

import wrapt

from tidegauge.runtime import shared


class Stack:
    """Whether a recorded call is under way on one thread, or greenlet, of one context.

    To set and reset a context variable at each call would be a quarter of all that the caller pays.
    So a context gets one of these at its first call, and a call marks that. A copy of the context
    shares the object and may run elsewhere at the same time: hence ``owner``.
    """

    __slots__ = ("busy", "owner")

    def __init__(self, owner: int, *, busy: bool = False) -> None:
        self.owner = owner
        self.busy = busy


# No thread has this id, and no greenlet. A busy stack of nobody is in force on all of them.
_NOBODY = 0

OUTSIDE = Stack(_NOBODY)
#: In a context, and in every copy of it: nothing is recorded, whoever asks.
INSIDE = Stack(_NOBODY, busy=True)

#: All integrations share it, so that of nested models only the outermost call counts.
HERE: ContextVar[Stack] = ContextVar("tidegauge_here", default=OUTSIDE)


def arrive(stack: Stack) -> Stack:
    """Return the stack to use where the context holds that of nobody, or of somebody else."""
    if stack.busy and stack.owner == _NOBODY:
        return stack
    own = Stack(shared.ident())
    HERE.set(own)
    return own


def is_inside() -> bool:
    """Say whether this is inside a recorded or suppressed call."""
    return holds(HERE.get())


def holds(stack: Stack) -> bool:
    """Say whether a stack says «inside» on this thread, or greenlet."""
    return stack.busy and stack.owner in (_NOBODY, shared.ident())


def everywhere() -> Stack:
    """Return a stack of a call that threads and tasks work for: one of theirs is none of its own.

    When the call is over and its stack no longer busy, a task that it has left behind records.
    """
    return Stack(_NOBODY, busy=True)


def tell_greenlets_apart() -> None:
    """Arrange that greenlets, of which one thread may have many, have stacks of their own."""
    wrapt.register_post_import_hook(_use_greenlets, "greenlet")


def _use_greenlets(greenlet: Any) -> None:
    shared.ident = lambda: id(greenlet.getcurrent())


# What was in force before each block that is open, innermost last. No tokens: frameworks leave a
# block in another context than they entered it in (a dependency that yields), where a token raises.
_before: ContextVar[tuple[Stack, ...]] = ContextVar("tidegauge_before", default=())

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
        _before.set((*_before.get(), HERE.get()))
        HERE.set(INSIDE)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        *outer, before = _before.get() or (OUTSIDE,)
        _before.set(tuple(outer))
        HERE.set(before)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, tb)
