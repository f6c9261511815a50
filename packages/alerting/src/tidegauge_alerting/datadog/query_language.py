"""Pieces of Datadog's metric queries: windows, filters, groups, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_exporter_datadog.naming import metric_name, plain_tag, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec

    from tidegauge_alerting.measures import Where

_MINUTE = 60
_HOUR = 3600
# ``last_10080m`` is the longest that the API's reference allows.
_LONGEST_S = 7 * 86_400


class NotExpressibleError(ValueError):
    """Datadog has no monitor or query that means the same; the message says why."""


def window(seconds: int) -> str:
    """Return a time window such as ``last_5m``, in whole minutes, rounded up.

    Raises
    ------
    NotExpressibleError
        It is longer than a week.
    """
    if seconds > _LONGEST_S:
        raise NotExpressibleError(f"a window of {seconds} s is longer than a week")
    whole = -(-max(seconds, 1) // _MINUTE) * _MINUTE
    match whole:
        case 604_800:
            return "last_1w"
        case 86_400:
            return "last_1d"
        case _ if whole % _HOUR == 0:
            return f"last_{whole // _HOUR}h"
        case _:
            return f"last_{whole // _MINUTE}m"


def number(value: float) -> str:
    """Return a number in digits: Datadog's queries have no exponents."""
    digits = f"{value:.15g}"
    if "e" in digits:
        digits = f"{value:.15f}".rstrip("0").rstrip(".")
    return digits


def select(
    metric: MetricSpec,
    where: Sequence[Where],
    tags: Sequence[str],
    by: str,
    unless: Sequence[Where] = (),
) -> str:
    """Return a metric's series that fit, in groups: ``name{filter} by {keys}``."""
    return f"{metric_name(metric.name)}{_filter(where, unless, tags)}{by}"


def groups(keys: Sequence[str]) -> str:
    """Return `` by {keys}``; nothing where there are none."""
    return f" by {{{','.join(keys)}}}" if keys else ""


def filter_tag(text: str) -> str:
    """Return a tag as Datadog stores it: of the exporter's characters, in lower case.

    Raises
    ------
    ValueError
        It is no ``key:value``, or nothing of it is left.
    """
    key, colon, value = text.partition(":")
    found = plain_tag(text.lower())
    if not (key.strip() and colon and value.strip()) or found.count(":") < 1:
        raise ValueError(
            f"tag: got {text!r}; expected key:value, such as env:prod. Name a tag that all of the "
            "series have."
        )
    return found


def _filter(where: Sequence[Where], unless: Sequence[Where], tags: Sequence[str]) -> str:
    wanted = [_wanted(each.attribute, each.values) for each in where]
    unwanted = [_wanted(each.attribute, each.values) for each in unless]
    # One language or the other: Datadog refuses a filter with "!" or "," beside AND, IN or NOT.
    if all(len(each.values) == 1 for each in where):
        clauses = [f"!{key}:*" if not values else f"{key}:{values[0]}" for key, _, values in wanted]
        clauses += [f"!{key}:{value}" for key, _, values in unwanted for value in values]
        clauses += [f"{key}:*" for key, absent, _ in unwanted if absent]
        return "{" + (",".join((*tags, *clauses)) or "*") + "}"
    clauses = [_clause(key, values, absent=absent) for key, absent, values in wanted]
    clauses += [f"NOT {key}:{value}" for key, _, values in unwanted for value in values]
    clauses += [f"{key}:*" for key, absent, _ in unwanted if absent]
    return "{" + " AND ".join((*tags, *clauses)) + "}"


def _clause(key: str, values: Sequence[str], *, absent: bool) -> str:
    none = f"NOT {key}:*"
    if not values:
        return none
    some = f"{key}:{values[0]}" if len(values) == 1 else f"{key} IN ({','.join(values)})"
    return f"({none} OR {some})" if absent else some


def _wanted(attribute: str, values: Sequence[str]) -> tuple[str, bool, tuple[str, ...]]:
    """Return the tag's key, whether series without it are wanted, and which values are."""
    cleaned = [tag(attribute, value.lower()) for value in values if value]
    if not all(cleaned):
        raise NotExpressibleError(f"no tag of {attribute} can have one of the values {values!r}")
    # An attribute without a value has no tag.
    return attribute, "" in values, tuple(each.partition(":")[2] for each in cleaned)
