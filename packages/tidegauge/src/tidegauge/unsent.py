"""Exports that did not reach their backend, by cause: what ``tidegauge.export.failures`` counts.

An exporter counts here what it gives up, whether it says so in the log or not.
"""

from __future__ import annotations

from collections import Counter

#: Causes come from code, never from data; the bound is a second line of defence.
MAX_CAUSES = 50
_OTHER = "other"

_counts: Counter[str] = Counter()


def count(cause: str, number: int = 1) -> None:
    """Count exports that were given up.

    Parameters
    ----------
    cause : str
        The exporter and why, low in cardinality: ``datadog.refused``.
    number : int
        How many requests or packets.
    """
    if cause not in _counts and len(_counts) >= MAX_CAUSES:
        cause = _OTHER
    _counts[cause] += number


def counts() -> dict[str, int]:
    """Return how many exports were given up since the process (or the fork) began, by cause."""
    return dict(_counts)


def reset() -> None:
    """Forget all of it: a forked child starts from zero."""
    _counts.clear()
