"""What a comparison can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Options of ``compare``.

    Parameters
    ----------
    outputs : sequence of str
        Columns that are the model's outputs: a family of tests of their own. A reference profile
        knows them itself.
    drop : sequence of str
        Columns that are neither input nor output, such as the label.
    include, exclude : sequence of globs
        Inputs that take part.
    time_column : str
        Column of the reference by which its rows are put in the order of time (numbers, times or
        ISO 8601 text). Their dependence is then estimated per feature, and all tests use as many
        rows as the rows are worth. It is no feature. Without it rows are taken as independent.
        With a reference profile that has a season: the column of current with its times (texts need
        pandas), so that it is compared with the reference's rows of the same hours.
    alpha : float in (0, 1)
        Level of each family of tests, after Benjamini and Hochberg.
    segment : str
        Column whose values are segments: each of the reference's ten most frequent ones is also
        compared by itself. With a reference profile the column that it was built by.
    multivariate : bool
        Also compare all numeric features together: maximum mean discrepancy and, where scikit-learn
        is installed, how well a classifier tells both sides apart.

    Raises
    ------
    TypeError, ValueError
        An option is of another type or out of range.
    """

    outputs: Sequence[str] = ()
    drop: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    time_column: str = ""
    segment: str = ""
    alpha: float = 0.05
    multivariate: bool = False

    def __post_init__(self) -> None:
        """Check every option."""
        for option in fields(self):
            value = getattr(self, option.name)
            check, expected = _CHECKS[str(option.type)]
            if not check(value):
                got = f"{value!r} ({type(value).__name__})"
                raise TypeError(_message(option.name, got, expected))
        if not 0 < self.alpha < 1:
            expected = "a level in (0, 1), as 0.05"
            raise ValueError(_message("alpha", repr(self.alpha), expected))


def _names(value: Any) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return listed and all(isinstance(name, str) for name in value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Sequence[str]": (_names, "a list of names"),
    "str": (lambda value: isinstance(value, str), "a name"),
    "float": (
        lambda value: isinstance(value, float | int) and not isinstance(value, bool), "a number"
    ),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
}  # fmt: skip


def _message(name: str, got: str, expected: str) -> str:
    return (
        f"{name}: got {got} from the argument; expected {expected}. Leave it out for the default."
    )
