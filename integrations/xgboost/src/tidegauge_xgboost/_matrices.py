"""Remembers rows of what a DMatrix is made of, for as long as the matrix lives.

A matrix holds single precision, codes in place of categories, and cuts in place of values where it
is quantized: no reference of the app's own data would fit. Up to 256 rows are copied when it is
made; a matrix that is made for training holds them too, which is little beside itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence
from tidegauge.snapshot import Lazy, Taken

from tidegauge_xgboost._extract import read_matrix, rows_in_place

# By the matrix's id. The reference tells when it is gone.
_taken: dict[int, tuple[weakref.ref[Any], Taken]] = {}


def rows_of_matrix(matrix: Any) -> Taken | Lazy | None:
    """Return the rows of a DMatrix: those that it was made of, else what it holds."""
    found = _taken.get(id(matrix))
    if found is not None:
        return found[1]
    if not hasattr(matrix, "num_row"):  # no matrix: XGBoost will say so
        return None
    return Lazy(matrix.num_row(), partial(read_matrix, matrix))


class Samples(Silence):
    """What the wrappers of one constructor share."""

    __slots__ = ("_argument", "_position")

    def __init__(self, argument: str, position: int) -> None:
        super().__init__()
        self._argument = argument
        self._position = position

    def keep(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Copy rows of the data that a matrix was made of, unless it is made for training."""
        if self.active():
            return
        with guarded("record.matrix"):
            at = self._position
            data = args[at] if len(args) > at else kwargs.get(self._argument)
            found = Taken.of(rows_in_place(data))
            if found.snapshot is not None:
                key = id(args[0])
                _taken[key] = weakref.ref(args[0], partial(_forget, key)), found


def _forget(key: int, gone: weakref.ref[Any]) -> None:
    if key in _taken and _taken[key][0] is gone:
        del _taken[key]


def sampler(argument: str, position: int) -> Decorator:
    """Return the decorator of a constructor of matrices.

    ``argument`` and ``position`` are name and place of the parameter that holds the data; the
    matrix is at 0.
    """
    samples = Samples(argument, position)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            samples.keep(args, kwargs)
            return result

        wrapper.__tidegauge__ = samples  # type: ignore[attr-defined]
        return wrapper

    return decorate
