"""A model that gets its weights from a file goes by that file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge import identity
from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence


class Weights(Silence):
    """What the wrappers of ``torch.load`` and ``load_state_dict`` hold."""

    __slots__ = ()

    def remember(self, found: object, file: object) -> None:
        """Remember where a model came from, or its weights, which are a dict."""
        with guarded("load.name"):
            identity.loaded(found, file)

    def name(self, model: object, weights: object) -> None:
        """Let a model go by the file that ``torch.load`` had its weights from."""
        with guarded("load.name"):
            identity.adopt(model, weights)


def reading() -> Decorator:
    """Return the decorator of ``torch.load``."""
    read = Weights()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            read.remember(result, args[0] if args else kwargs.get("f"))
            return result

        wrapper.__tidegauge__ = read  # type: ignore[attr-defined]
        return wrapper

    return decorate


def adopting() -> Decorator:
    """Return the decorator of ``load_state_dict``."""
    filled = Weights()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            filled.name(self, args[0] if args else kwargs.get("state_dict"))
            return result

        wrapper.__tidegauge__ = filled  # type: ignore[attr-defined]
        return wrapper

    return decorate
