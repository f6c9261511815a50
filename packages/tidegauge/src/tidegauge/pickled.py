"""Classes that come out of pickles: found when an instance of theirs is restored."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from tidegauge.observe import Decorator, Silence


class _Loads(Silence):
    """Looks at the classes of objects that come out of pickles."""

    __slots__ = ("_visit", "_visited")

    def __init__(self, visit: Callable[[type], None]) -> None:
        super().__init__()
        self._visit = visit
        self._visited: weakref.WeakSet[type] = weakref.WeakSet()

    def look(self, cls: type) -> None:
        """Patch a class, if this was not done already."""
        if cls not in self._visited or not _importable(cls):
            self._visited.add(cls)
            self._visit(cls)


def loading(visit: Callable[[type], None]) -> Decorator:
    """Return the decorator of what restores an instance; ``visit`` patches its class."""
    loads = _Loads(visit)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: object, /, *args: Any, **kwargs: Any) -> Any:
            loads.look(type(self))
            return original(self, *args, **kwargs)

        wrapper.__tidegauge__ = loads  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _importable(cls: type) -> bool:
    """Say whether pickles name a class. One that they hold is filled anew by each of them."""
    return getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
