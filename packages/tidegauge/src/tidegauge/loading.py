"""Wrappers of a library's loaders: a model goes by the name of the file that it came from.

Nothing is put on the object, so its pickles are what they were.

A file may hold more than a model: a dict, list or tuple is looked into, one level deep. Of several
models in one file each has its key added to the name, so that no two are one in the charts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tidegauge import identity
from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence

# Longer ones hold data, not models.
_MOST_MEMBERS = 100


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
            for found in self._models(result, args):
                for model, part in _inside(found):
                    identity.loaded(model, file, part)


def _inside(found: Any) -> Iterator[tuple[object, str]]:
    """Yield what may be a model, with the key that tells it from others beside it."""
    if _predicts(found) or not isinstance(found, dict | list | tuple):
        yield found, ""
    elif len(found) <= _MOST_MEMBERS:
        members = found.items() if isinstance(found, dict) else enumerate(found)
        # One object under two keys is one model.
        models = {id(member): (member, key) for key, member in members if _predicts(member)}
        for position, (model, key) in enumerate(models.values()):
            told = key if isinstance(key, str | int) and key != "" else position
            yield model, str(told) if len(models) > 1 else ""


def _predicts(thing: object) -> bool:
    # Of the class: a property of the object may be anybody's code.
    return hasattr(type(thing), "predict")


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
