"""Which calls of a method that predicts are no predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

#: ``skip(args, kwargs)``, without the model, as ``observe.observer`` takes it.
Skip: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], bool]


def asks_for(*keywords: str, **positions: int) -> Skip:
    """Return what says whether a call asks for something else, such as raw margins.

    Parameters
    ----------
    *keywords : str
        Parameters that ask for it where they are true and given by name.
    **positions : int
        The same of parameters that may be given by position as well, the first behind the model
        being 0.
    """
    places = {**dict.fromkeys(keywords), **positions}

    def skip(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return any(
            args[at] if at is not None and len(args) > at else kwargs.get(name)
            for name, at in places.items()
        )

    return skip
