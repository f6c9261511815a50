"""What is sent to Datadog, whichever way: data only, clean and finite.

Names and tags are as Datadog takes them (``naming``); times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

#: ``"key:value"`` strings, each key once, in the order that they are sent in.
Tags: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How much a counter grew in the ``interval_s`` seconds that ended at ``at_s``."""

    name: str
    value: float
    tags: Tags
    interval_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a gauge showed at ``at_s``."""

    name: str
    value: float
    tags: Tags
    at_s: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was seen in the interval that ended at ``at_s``: ``values[i]``, ``counts[i]`` times.

    Each value stands for a bucket of a histogram; the counts are at least 1.
    """

    name: str
    values: tuple[float, ...]
    counts: tuple[int, ...]
    tags: Tags
    at_s: float


Point: TypeAlias = Count | Gauge | Distribution
