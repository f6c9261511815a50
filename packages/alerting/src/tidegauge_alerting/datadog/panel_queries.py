"""What a panel asks for, as Datadog's queries and the formula over them: pure."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_semconv import Kind

from tidegauge_alerting.datadog.query_language import (
    NotExpressibleError,
    groups,
    number,
    select,
)
from tidegauge_alerting.panels import Aggregate, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_alerting.measures import Where

_GAUGES = (Aggregate.SUM, Aggregate.AVG, Aggregate.MIN, Aggregate.MAX)


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries, a formula with ``{0}`` and ``{1}`` in their places, and how one number is made.

    ``aggregator`` puts the points of the time together where one number is shown.
    """

    queries: tuple[str, ...]
    formula: str
    aggregator: str


def asked(query: Query, variables: Sequence[str], *, one: bool) -> Asked:
    """Return what a query asks Datadog for.

    Parameters
    ----------
    query : Query
        Of a panel.
    variables : sequence of str
        Attributes that the reader chooses.
    one : bool
        One number is shown, of the window of the query; not a line.

    Raises
    ------
    NotExpressibleError
        Datadog has nothing that means the same.
    TypeError
        The aggregate is one that this does not know.
    """
    found = _aggregated(query, variables, one=one)
    formula = found.formula
    if query.over is not None:
        found, formula = _over(query, found, variables)
    if query.zero_beside is not None:
        formula = f"default_zero({formula})"
    return Asked(found.queries, formula, found.aggregator)


def _aggregated(query: Query, variables: Sequence[str], *, one: bool) -> Asked:
    match query.aggregate:
        case Aggregate.RATE:
            space = "count" if query.metric.kind is Kind.HISTOGRAM else "sum"
            return Asked((f"{space}:{_series(query, variables)}.as_rate()",), "{0}", "avg")
        case Aggregate.INCREASE:
            text = f"sum:{_series(query, variables)}.as_count()"
            if query.window_s and (not one or query.over is not None):
                text += f".rollup(sum, {query.window_s})"
            return Asked((text,), "{0}", "sum" if query.over is None else "max")
        case Aggregate.SHARE:
            part = f"sum:{_series(query, variables, query.part)}.as_count()"
            whole = f"sum:{_series(query, variables, query.of)}.as_count()"
            return Asked((part, whole), "default_zero({0}) / {1}", "sum")
        case Aggregate.QUANTILE:
            space = f"p{number(round((query.q or 0) * 100, 2))}"
            return Asked((f"{space}:{_series(query, variables)}",), "{0}", "percentile")
        case aggregate if aggregate in _GAUGES:
            return Asked((f"{aggregate.value}:{_series(query, variables)}",), "{0}", "last")
        case Aggregate.STABILITY:
            raise NotExpressibleError("an index over all replicas needs logarithms and joins")
        case Aggregate.REACHABLE:
            raise NotExpressibleError("nothing is read from applications that could be away")
        case Aggregate.APPEARS:
            raise NotExpressibleError("no query says that a series is new")
        case _:
            raise TypeError(
                f"aggregate of {query.metric.name}: got {query.aggregate!r}; expected one that "
                "tidegauge_alerting.datadog has a query for. Add it there."
            )


def _over(query: Query, found: Asked, variables: Sequence[str]) -> tuple[Asked, str]:
    over = query.over
    assert over is not None  # noqa: S101 - seen by who calls
    verdict = query.metric.name.endswith("detected") and query.aggregate in (
        Aggregate.MAX,
        Aggregate.MIN,
    )
    if over.function == query.aggregate.value and over.function in ("sum", "min", "max"):
        text = f"{over.function}:{_series(query, variables, by=over.by)}"
        return Asked((text,), "{0}", found.aggregator), "{0}"
    if not over.by and (over.function == "count" or (verdict and over.function == "sum")):
        # Verdicts are 0 or 1: those that are 1 are as many as their sum.
        return found, f"count_nonzero({found.formula})"
    raise NotExpressibleError(
        f"the {over.function} of values that were put together before is a second aggregation"
    )


def _series(
    query: Query,
    variables: Sequence[str],
    more: Sequence[Where] = (),
    by: Sequence[str] | None = None,
) -> str:
    told = {each.attribute for each in query.where}
    chosen = [f"${key}" for key in query.metric.attributes if key in variables and key not in told]
    keys = groups(query.by if by is None else by)
    return select(query.metric, (*query.where, *more), chosen, keys, query.unless)


def plain(legend: str) -> str:
    """Return the words of a legend without its placeholders: Datadog adds the tags itself."""
    words = "".join(literal for literal, *_ in string.Formatter().parse(legend))
    return " ".join(words.split())
