"""The times of rows: their order, their span, and the slot of the season that each is in."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.columns import NUMBER, TEXT, TIME, read
from tidegauge_drift.profile import ProfileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

# Slots of a season and seconds of each; the epoch was a Thursday, weeks begin on Monday.
HOUR, HOUR_OF_WEEK = "hour", "hour_of_week"
SEASONS = {HOUR: 24, HOUR_OF_WEEK: 168}
SLOT_S = 3600
_THURSDAY = 3 * 24
# Unix seconds above this are milliseconds: the year 5138.
_TOO_LARGE = 1e11


def slots(seconds: Floats, season: str) -> NDArray[np.int64]:
    """Return the slot of each time: the hour of the day, or of the week from Monday, in UTC."""
    hours = np.floor(seconds / SLOT_S).astype(np.int64)
    return (hours + (_THURSDAY if season == HOUR_OF_WEEK else 0)) % SEASONS[season]


def slot(seconds: int, season: str) -> int:
    """Return the slot of one time."""
    return (seconds // SLOT_S + (_THURSDAY if season == HOUR_OF_WEEK else 0)) % SEASONS[season]


class Clock:
    """Reads the times of a table's rows, part after part, and checks that they never go back."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source
        self.first = self.last = -np.inf

    def read(self, values: Any) -> Floats:
        """Return a part's times in Unix seconds.

        Raises
        ------
        ProfileError
            A time is missing or none, or earlier than the one before.
        """
        found = self.seconds(values)
        if found.size:
            if found[0] < self.last or (np.diff(found) < 0).any():
                raise self._wrong(
                    "rows that are not in the order of time",
                    "ascending times. Sort the table by this column, or leave out --time-column",
                )
            if self.first == -np.inf:
                self.first = float(found[0])
            self.last = float(found[-1])
        return found

    def seconds(self, values: Any) -> Floats:
        """Return times in Unix seconds, in any order."""
        part = read(values)
        if part.kind == TEXT:
            found = self._parsed(values)
        elif part.kind in (TIME, NUMBER):
            found = part.values
        else:
            raise self._wrong(f"values that are {part.kind}", "times")
        if not np.isfinite(found).all():
            raise self._wrong("rows without a time", "a time in every row. Drop those rows")
        if found.size and float(np.abs(found).max()) > _TOO_LARGE:
            raise self._wrong("numbers too large for seconds", "seconds since 1970. Convert them")
        return found

    def _parsed(self, values: Any) -> Floats:
        try:
            import pandas as pd  # noqa: PLC0415 - texts come from files, which pandas has read

            parsed = pd.to_datetime(pd.Series(values), utc=True, format="ISO8601")
        except ImportError as error:
            raise self._wrong("texts", "times") from error
        except (ValueError, TypeError) as error:
            raise self._wrong(
                "texts that are no times", "times as 2026-01-31 13:45:00, or Unix seconds"
            ) from error
        found: Floats = read(parsed).values  # noqa: PD011 - a part's
        return found

    def span(self) -> tuple[str, str]:
        """Return the first and the last time as ISO 8601 in UTC."""
        first, last = (
            dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")
            for at in (self.first, self.last)
        )
        return first, last

    def _wrong(self, got: str, expected: str) -> ProfileError:
        return ProfileError(f"{self._name}: got {got} from {self._source}; expected {expected}.")
