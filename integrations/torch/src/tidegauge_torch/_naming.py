"""A model that gets its weights from a file goes by that file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge import identity
from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence


class Weights(Silence):
    """What the wrapper of ``load_state_dict`` holds."""

    __slots__ = ()

    def name(self, model: object, weights: object) -> None:
        """Let a model go by the file that ``torch.load`` had its weights from."""
        with guarded("load.name"):
            identity.adopt(model, weights)


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
