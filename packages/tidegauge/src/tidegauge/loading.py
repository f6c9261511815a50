"""Wrappers of a library's loaders: a model goes by the name of the file that it came from.

Nothing is put on the object, so its pickles are what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge import identity
from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence


class Loads(Silence):
    """What the wrappers of one loader share."""

    __slots__ = ("_argument", "_models", "_position")

    def __init__(
        self, argument: str, position: int, models: Callable[[Any, tuple[Any, ...]], Any]
    ) -> None:
        super().__init__()
        self._argument = argument
        self._position = position
        self._models = models

    def name(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Remember where what was loaded came from."""
        with guarded("load.name"):
            at = self._position
            file = args[at] if len(args) > at else kwargs.get(self._argument)
            for model in self._models(result, args):
                identity.loaded(model, file)


def result_of(result: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001 - the other kind
    """Say that a loader returns the model."""
    return (result,)


def owner_of(result: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001 - the other kind
    """Say that a loader is a method of the model, which it fills."""
    return args[:1]


def loader(
    argument: str,
    position: int = 0,
    models: Callable[[Any, tuple[Any, ...]], Any] = result_of,
) -> Decorator:
    """Return the decorator of a function or method that loads a model from a file.

    Parameters
    ----------
    argument, position : str, int
        Name and place of the parameter that is the file; of a method the model is at 0.
    models : callable
        ``models(result, args)`` returns the objects that came from the file.
    """
    loads = Loads(argument, position, models)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            loads.name(result, args, kwargs)
            return result

        wrapper.__tidegauge__ = loads  # type: ignore[attr-defined]
        return wrapper

    return decorate
