"""Wrappers of web frameworks' own functions: what runs inside knows the request that it serves.

A context is attached and taken back in one frame, so none outlives its request. What the handler
starts (threads, tasks, background work that it waits for) gets copies, as Python makes them.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from types import SimpleNamespace
from typing import Any, TypeAlias

from opentelemetry.context import Context, attach, set_value

from tidegauge.guard import fault
from tidegauge.observe import Decorator, Silence
from tidegauge.request import KEY, Request, allowed_id
from tidegauge.runtime import read_settings, shared

#: Says in which context a call of the framework's function runs; None: in that which is there.
Read: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Context | None]


class Carrier(Silence):
    """What the wrappers of one framework's functions share; pickles as ``Calls`` does."""

    __slots__ = ("_name", "context")

    def __init__(self, name: str, read: Read) -> None:
        super().__init__()
        self._name = name
        self.context = read

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return SimpleNamespace, (), {"enter": operator.is_}  # of two tuples: never

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Token[Context] | None:
        """Attach the context of a call; None where it runs in that which is there."""
        try:
            context = self.context(args, kwargs)
            return None if context is None else attach(context)
        except Exception as error:
            fault(f"request.{self._name}", error)
            return None

    def leave(self, token: Token[Context]) -> None:
        """Take the context back."""
        try:
            token.var.reset(token)
        except ValueError:
            # Whoever closes a coroutine that was never finished does so in another context.
            return
        except Exception as error:
            fault(f"request.{self._name}", error)

    def plain(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return the wrapper of a function."""
        carrier = self

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            token = carrier.enter(args, kwargs)
            try:
                return original(*args, **kwargs)
            finally:
                if token:
                    carrier.leave(token)

        wrapper.__tidegauge__ = carrier  # type: ignore[attr-defined]
        return wrapper

    def awaited(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return the wrapper of a coroutine function."""
        carrier = self

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            token = carrier.enter(args, kwargs)
            try:
                return await original(*args, **kwargs)
            finally:
                if token:
                    carrier.leave(token)

        wrapper.__tidegauge__ = carrier  # type: ignore[attr-defined]
        return wrapper

    def around(
        self, function: Callable[..., Any], is_async: Callable[[Any], bool]
    ) -> Callable[..., Any]:
        """Return a function that a framework is about to call, in its context."""
        try:
            wrap = self.awaited if is_async(function) else self.plain
            return functools.update_wrapper(wrap(function), function)
        except Exception as error:
            fault(f"request.{self._name}", error)
            return function


def carrier(name: str, read: Read) -> Decorator:
    """Return the decorator of a framework's function that runs handlers.

    Parameters
    ----------
    name : str
        The framework, for messages.
    read : callable
        ``read(args, kwargs)`` of the call returns the context to run it in (``serving``), or None.
    """
    found = Carrier(name, read)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        is_async = inspect.iscoroutinefunction(original)
        return found.awaited(original) if is_async else found.plain(original)

    return decorate


def serving(route: str, request_id: str, within: Context | None = None) -> Context | None:
    """Return a context, by default the current one, with a request; None where none is known."""
    if not route and not request_id:
        return None
    return set_value(KEY, Request(route, request_id), within)


def id_of_asgi(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that a request came with, of ASGI's headers."""
    read_settings()
    name = shared.settings.request_id_header.encode()
    for key, value in headers if name else ():
        if key.lower() == name:
            return allowed_id(value.decode("latin-1"))
    return ""


def id_of_wsgi(environ: Mapping[str, Any]) -> str:
    """Return the id that a request came with, of WSGI's environment."""
    read_settings()
    name = shared.settings.request_id_header
    if not name:
        return ""
    return allowed_id(environ.get(f"HTTP_{name.upper().replace('-', '_')}"))
