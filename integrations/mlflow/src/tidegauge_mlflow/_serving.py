"""``mlflow models serve`` starts uvicorn as a program of its own, and waits for it.

Both are started with the same environment, so both would listen on one port for Prometheus, and the
one that has it first is the one that serves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge.guard import guarded
from tidegauge.leave import step_aside
from tidegauge.observe import Decorator, Silence


class Waits(Silence):
    """What the wrappers of a method share that starts a server and waits for its end."""

    __slots__ = ()

    def prepare(self, kwargs: dict[str, Any]) -> None:
        """Give up what the server needs, unless this process goes on beside it."""
        with guarded("serve.mlflow"):
            if kwargs.get("synchronous", True):
                step_aside()


def waiter() -> Decorator:
    """Return the decorator of a method that starts a server and waits for its end."""
    waits = Waits()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            waits.prepare(kwargs)
            return original(*args, **kwargs)

        wrapper.__tidegauge__ = waits  # type: ignore[attr-defined]
        return wrapper

    return decorate
