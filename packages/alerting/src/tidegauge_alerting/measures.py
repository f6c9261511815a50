"""What an alert looks at, and what must hold beside it: measures and guards, as data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec


@dataclass(frozen=True, slots=True)
class Where:
    """Keeps the series whose attribute has one of these values; ``""`` is an empty attribute."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Last:
    """The last value of a gauge: one alert a series."""

    where: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a counter's events in the window that have the given attributes.

    ``of`` says of which events it is the share; without it of all.
    """

    part: tuple[Where, ...]
    by: tuple[str, ...]
    window_s: int
    of: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram's events in the window; ``q`` is in (0, 1)."""

    q: float
    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Increase:
    """A counter's events in the window; a series that is new counts from zero."""

    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """A counter's events in the window, where no series of it is left now.

    It ends by itself when the window has passed: what was retired is not missed for ever.
    """

    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Reachable:
    """1 where a place that has shown the metric can be read, 0 where it cannot.

    A place that the vendor no longer looks for has no value.
    """


@dataclass(frozen=True, slots=True)
class StabilityIndex:
    """The population stability index of a counter's events in a window, over all processes.

    ``sum((q - p) * ln(q / p))`` over the values of ``bins`` but those of ``outside``. q is the
    share of the events, p the value of ``reference``; each at least ``floor``, not renormalised.
    There is one for each of ``windows_s``, told apart by the attribute ``window``.
    """

    by: tuple[str, ...]
    bins: str
    outside: tuple[str, ...]
    reference: MetricSpec
    floor: float
    windows_s: tuple[int, ...]

    def over(self, windows_s: Sequence[int]) -> StabilityIndex:
        """Return the same index over other windows.

        Raises
        ------
        ValueError
            There is none, one is below a minute, or one is no multiple of the shortest: a long
            window is made of short ones.
        """
        found = tuple(sorted(set(windows_s)))
        if not found or found[0] < _SHORTEST_S or any(each % found[0] for each in found):
            raise ValueError(
                f"windows: got {', '.join(f'{each} s' for each in windows_s) or 'none'}; expected "
                f"at least {_SHORTEST_S} s each, all multiples of the shortest. "
                "Leave them out for 1h and 1d."
            )
        return dataclasses.replace(self, windows_s=found)


# Shorter windows hold too few scrapes.
_SHORTEST_S = 60

Together: TypeAlias = Literal["max", "min", "sum", "avg", "count"]


@dataclass(frozen=True, slots=True)
class Across:
    """A gauge's series put together twice: ``each`` per ``per``, then ``over`` by ``by``.

    How many models drift: the maximum of each model's verdicts (``per`` its name), and then their
    sum by nothing. ``per`` holds all of ``by``.
    """

    each: Together
    per: tuple[str, ...]
    over: Together
    by: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()


Measure: TypeAlias = (
    Last | Share | Quantile | Increase | Vanished | Reachable | StabilityIndex | Across
)


@dataclass(frozen=True, slots=True)
class EventGuard:
    """Alert only when at least this many events of the window speak for it.

    For a share: events of the part. For a quantile: events beyond the bucket in which the
    threshold lies. For series put together: the sum of what each came to, so many models say yes.
    One failure of two requests is half of them, and no reason to wake anybody.
    """

    minimum: float


@dataclass(frozen=True, slots=True)
class RowGuard:
    """Alert only where a second gauge with the same attributes has at least this value.

    ``where`` keeps some series of that gauge.
    """

    metric: MetricSpec
    minimum: float
    where: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectiveGuard:
    """Alert only when the events of the window are worth at least so many independent ones.

    ``effect`` is a gauge that says how many events are worth one.
    """

    effect: MetricSpec
    minimum: float


Guard: TypeAlias = EventGuard | RowGuard | EffectiveGuard
