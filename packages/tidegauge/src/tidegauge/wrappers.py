"""Wrappers in the dicts of classes: made, told apart from what else is there, undone."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any

from tidegauge.observe import Decorator, is_wrapper

# Methods that a class did not have of its own: they go when the patch goes.
_stand_ins: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()


def passing_on(owner: type, name: str) -> Callable[..., Any]:
    """Return a method that calls what a class inherits, whatever that is at the time."""

    def inherited(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(owner, self), name)(*args, **kwargs)

    method = functools.update_wrapper(inherited, getattr(owner, name))
    # Pickles of it look here, and find what is inherited where Tidegauge is not.
    method.__module__, method.__name__ = owner.__module__, name
    method.__qualname__ = f"{owner.__qualname__}.{name}"
    _stand_ins.add(method)
    return method


def is_stand_in(function: Callable[..., Any]) -> bool:
    """Say whether a class has a method only because it was to be wrapped."""
    return function in _stand_ins


def wrapped(decorator: Decorator, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the wrapper of a function, or itself where the decorator leaves it alone."""
    wrapper = decorator(original)
    return wrapper if wrapper is original else functools.update_wrapper(wrapper, original)


def is_available_if(value: Any) -> bool:
    """Say whether a class-dict entry is scikit-learn's descriptor of a conditional method."""
    return (
        hasattr(type(value), "__get__")
        and isinstance(getattr(value, "fn", None), FunctionType)
        and callable(getattr(value, "check", None))
    )


def unpickled(function: Any) -> Any:
    """Return the original of a wrapper that came in a pickle, and any other function as it is.

    Without this, each trip through cloudpickle would add a layer.
    """
    return function.__wrapped__ if is_wrapper(function) else function
