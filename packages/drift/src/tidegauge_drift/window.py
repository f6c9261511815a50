"""Windows that tumble: the next begins where the last one ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegauge_drift.extras import added
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.packing import narrow
from tidegauge_drift.times import HOUR_OF_WEEK, slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.pane import Pane

# A window of rows closes after a day with what it has: a quiet model is judged too.
ROWS_LIMIT_S = 86_400
# After a sleep of the machine, so many empty windows are gone through; more are skipped.
_MAXIMUM_EMPTY = 1_000
# What a tumbler is, beside its counts.
_STATE = ("opened_s", "end_s", "lasted_s", "a_month", "rows", "low", "high", "hours")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True, repr=False)
class WindowSpec:
    """A kind of window: ``rows`` or ``seconds`` long, the other is 0."""

    label: str
    rows: int = 0
    seconds: int = 0

    def __repr__(self) -> str:
        return self.label

    @classmethod
    def parse(cls, label: str) -> WindowSpec:
        """Read ``1000rows``, ``30m``, ``6h`` or ``1d``; ValueError for anything else."""
        found = re.fullmatch(r"([1-9]\d{0,8})(rows|s|m|h|d)", label)
        if found is None:
            raise ValueError(label)
        length, unit = int(found[1]), found[2]
        spec = cls(label, length) if unit == "rows" else cls(label, 0, length * _UNITS[unit])
        if spec.rows and spec.rows < 30:  # noqa: PLR2004 - fewer never get a verdict
            raise ValueError(label)
        if spec.seconds > MONTH_S:
            raise ValueError(label)
        return spec


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What a window is compared with in place of the reference: rows that a model had live.

    ``counts`` are on the reference's cells, as many as the rows are worth: zeros for a feature of
    which there were too few, None where there were none. ``alarmed`` is the share of the window's
    rows at hours in which an alarm was on already. ``version`` is the live version whose rows in
    the same window they are, ``rows`` many; None: the model's own, of the week before. ``pairs``
    are, for each of those rows, the other rows of its call.
    """

    counts: NDArray[Any] | None = field(default=None, repr=False)
    alarmed: float = 0.0
    version: str | None = None
    rows: int = 0
    pairs: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class ClosedWindow:
    """What a verdict is made of.

    ``a_month`` is how many windows of this kind fit in 30 days, as it was known when the window
    opened. ``counts`` are None where no row came. ``hours`` are the rows in each hour of the
    week. ``extra`` are the sums of the panes' further arrays. Without a ``baseline`` it is compared
    with the reference.
    """

    spec: WindowSpec
    opened_s: int
    closed_s: int
    rows: int
    stride_min: int
    stride_max: int
    a_month: float
    counts: Cells | None = field(default=None, repr=False)
    hours: Mapping[str, int] = field(default_factory=dict, repr=False)
    extra: Extra = field(default_factory=dict, repr=False)
    baseline: Baseline | None = None


class Tumbler:
    """Folds closed panes, in order of time, into the open window of one kind.

    A window of rows opens at the pane after the last one's end and closes with the pane that brings
    it to its rows, or after a day. A window of seconds is aligned to the epoch; a pane belongs to
    the one that it begins in.
    """

    def __init__(self, spec: WindowSpec, pane_s: int, first: int) -> None:
        self._spec = spec
        self._pane_s = pane_s
        # Before a window has closed the rate is unknown: as if one closed with every pane.
        self._lasted_s = spec.seconds or pane_s
        self._open(first)

    @property
    def rows(self) -> int:
        """Rows in the open window."""
        return self._rows

    @property
    def opened_s(self) -> int:
        """When the open window began."""
        return self._opened_s

    def state(self) -> tuple[dict[str, Any], Cells | None, Extra]:
        """Return what another process needs to go on, the counts, and the arrays beside them."""
        return {name: getattr(self, f"_{name}") for name in _STATE}, self._counts, self._extra

    @classmethod
    def restored(
        cls,
        spec: WindowSpec,
        pane_s: int,
        state: dict[str, Any],
        counts: Cells | None,
        extra: Extra,
    ) -> Tumbler:
        """Return the tumbler whose state this is.

        Raises
        ------
        KeyError
            The state lacks something.
        """
        found = cls(spec, pane_s, 0)
        for name in _STATE:
            setattr(found, f"_{name}", state[name])
        found._counts = counts
        found._extra = extra
        return found

    def _open(self, index: int) -> None:
        self._opened_s = index * self._pane_s
        length = self._spec.seconds
        self._end_s = (
            (self._opened_s // length + 1) * length if length else self._opened_s + ROWS_LIMIT_S
        )
        self._a_month = max(1.0, MONTH_S / self._lasted_s)
        self._counts: Cells | None = None
        self._extra: Extra = {}
        self._hours: dict[str, int] = {}  # texts, as JSON has them
        self._rows = self._low = self._high = 0

    def fold(self, pane: Pane) -> Iterator[ClosedWindow]:
        """Add a closed pane; yield the windows that closed before or with it."""
        yield from self.advance(pane.index)
        self._rows += pane.rows
        if self._counts is None:
            self._counts = pane.counts  # never added to in place
        else:
            self._counts = narrow(self._counts, self._rows) + pane.counts
        self._extra = added(self._extra, pane.extra)
        if pane.rows:
            hour = str(slot(pane.start_s, HOUR_OF_WEEK))
            self._hours[hour] = self._hours.get(hour, 0) + pane.rows
            self._low = min(pane.stride_min, self._low or pane.stride_min)
            self._high = max(pane.stride_max, self._high)
        if self._spec.rows and self._rows >= self._spec.rows:
            yield self._close(pane.index + 1)

    def advance(self, index: int) -> Iterator[ClosedWindow]:
        """Yield the windows whose time was over when pane ``index`` began."""
        length = self._spec.seconds or ROWS_LIMIT_S
        while index * self._pane_s >= self._end_s:
            after = -(-self._end_s // self._pane_s)
            if (index * self._pane_s - self._end_s) // length > _MAXIMUM_EMPTY:
                after = index
            yield self._close(after)

    def end(self, index: int) -> Iterator[ClosedWindow]:
        """Yield the open window if it has rows: nothing comes after pane ``index``."""
        if self._rows:
            yield self._close(index)

    def _close(self, index: int) -> ClosedWindow:
        closed = ClosedWindow(
            self._spec, self._opened_s, index * self._pane_s, self._rows,
            self._low, self._high, self._a_month, self._counts, self._hours, self._extra,
        )  # fmt: skip
        if self._spec.rows:
            self._lasted_s = max(self._pane_s, closed.closed_s - closed.opened_s)
        self._open(index)
        return closed
