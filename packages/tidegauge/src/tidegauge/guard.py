"""The one guard around every hook body: log once a cause, count, go on.

The app's call is never inside it: only what Tidegauge does before and after.
"""

from __future__ import annotations

import logging
from collections import Counter
from types import TracebackType
from typing import Literal

_logger = logging.getLogger("tidegauge")

# Causes come from code and types, never from data; the bound is a second line of defence.
MAX_CAUSES = 200
_OTHER = "other"
# What the app's own handler or filter of the log did not take.
_UNLOGGED = "log"

_counts: Counter[str] = Counter()


def fault(cause: str, error: BaseException | None = None, advice: str = "") -> None:
    """Count a fault of ours and log it the first time that this cause is seen.

    Parameters
    ----------
    cause : str
        Where it happened, low in cardinality: ``record.predict``, ``drift.reference``.
    error : BaseException, optional
        What was caught. Its type joins the cause; its text, which may hold data, is logged at
        DEBUG only.
    advice : str
        What the reader of the log can do.
    """
    key = f"{cause}:{type(error).__name__}" if error is not None else cause
    if key not in _counts and len(_counts) >= MAX_CAUSES:
        key = _OTHER
    _counts[key] += 1
    if _counts[key] == 1:
        _say(
            logging.WARNING,
            "%s: Tidegauge met a fault and went on; the app is not affected. %s"
            "Further ones are counted in tidegauge.errors, not logged.",
            key,
            advice + " " if advice else "",
        )
        if error is not None:
            _say(logging.DEBUG, "%s", key, error=error)


def once(
    cause: str,
    message: str,
    *args: object,
    level: int = logging.WARNING,
    error: BaseException | None = None,
) -> None:
    """Log a message the first time that its cause is seen, and count every time.

    ``error`` is what is behind it; its text, which may hold data, is logged at DEBUG only.
    """
    if cause not in _counts and len(_counts) >= MAX_CAUSES:
        cause = _OTHER
    _counts[cause] += 1
    if _counts[cause] == 1:
        _say(level, message, *args)
        if error is not None:
            _say(logging.DEBUG, "%s", cause, error=error)


def count(cause: str) -> None:
    """Count what the log has said already."""
    _counts[cause] += 1


def _say(level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a line. Handlers and filters are the app's, and one that raises stops nothing here."""
    try:
        _logger.log(level, message, *args, exc_info=error)
    except Exception:
        _counts[_UNLOGGED] += 1


def counts() -> dict[str, int]:
    """Return how often each cause was met since the process (or the fork) began."""
    return dict(_counts)


def reset() -> None:
    """Forget all causes: a forked child starts from zero."""
    _counts.clear()


class guarded:  # noqa: N801 - reads as a statement: with guarded("drift.pane")
    """Context manager that swallows and counts every ``Exception`` of ours."""

    __slots__ = ("_cause",)

    def __init__(self, cause: str) -> None:
        self._cause = cause

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> Literal[True] | None:
        if isinstance(error, Exception):
            fault(self._cause, error)
            return True
        return None
