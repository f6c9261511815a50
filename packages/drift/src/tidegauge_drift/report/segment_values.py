"""The values of the column that says which segment a row is of, and which rows have each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tidegauge_drift.category import is_missing, text
from tidegauge_drift.columns import read
from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.profile import KNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.report.tables import Rows

    Places: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The values of a column, most frequent first, and the place of each row's; -1 for none."""

    texts: tuple[str, ...]
    rows: NDArray[np.int64]
    places: Places

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int((self.places < 0).sum())

    def of(self, value: str) -> Places:
        """Return the rows that have a value."""
        return np.flatnonzero(self.places == self.texts.index(value)) if value in self.texts else (
            np.empty(0, np.intp)
        )  # fmt: skip


def column_of(side: str, rows: Rows, name: str) -> Any:
    """Return a column by its name.

    Raises
    ------
    ValueError
        There is none, or there are several.
    """
    if rows.names.count(name) != 1:
        times = "several times" if name in rows.names else "not"
        raise ValueError(
            f"segment: got {name!r} from the argument, which {side} has {times} as a column; "
            f"expected one of its columns: {', '.join(rows.names[:20])}. Correct the name."
        )
    return rows.columns[rows.names.index(name)]


def read_values(column: Any) -> Values:
    """Return the values of a column of whatever type; lists are none."""
    part = read(column, as_text=True)
    codes: dict[str, int] = {}
    places: dict[Any, int] = {}
    rows = np.fromiter((_place(value, places, codes) for value in part.values.tolist()), np.intp)
    counts = np.bincount(rows[rows >= 0], minlength=len(codes))
    texts = list(codes)
    order = sorted(range(len(texts)), key=lambda code: (-counts[code], texts[code]))
    ranks = np.empty(len(order) + 1, np.intp)
    ranks[order], ranks[-1] = np.arange(len(order)), -1  # a row without a value has none either
    return Values(tuple(texts[code] for code in order), counts[order], ranks[rows])


def _place(value: Any, places: dict[Any, int], codes: dict[str, int]) -> int:
    try:
        return places[value]
    except KeyError:
        if is_missing(value):
            return -1
    except TypeError:  # a value that cannot be hashed is no category
        return -1
    found = places[value] = codes.setdefault(text(value), len(codes))
    return found


def check_values(values: Values, name: str, rows: int) -> None:
    """Raise ValueError where values of so many rows do not make segments."""
    expected = f"values that have {MINIMUM_ROWS} rows or more each, as of a country or a plan"
    if len(values.texts) > KNOWN:
        got = f"which has more than {KNOWN} values and so names rows or measures something"
    elif len(values.texts) == 1 and not values.missing:
        got, expected = "which has one value in all rows of the reference", "two or more"
    elif not values.texts or values.rows[0] < MINIMUM_ROWS:
        most = int(values.rows[0]) if values.texts else 0
        got = f"of which {most} of the reference's {rows} rows have the most frequent value"
    else:
        return
    raise ValueError(
        f"segment: got {name!r}, {got}, from the argument; expected {expected}. "
        "Name another column."
    )
