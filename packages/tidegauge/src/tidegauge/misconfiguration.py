"""What is set up wrongly: a line in the log at once, a count, and an event for who sends events.

It is found where nothing may wait or be imported: in constructors, under locks, before a fork. So
the events wait here, until the background sends them.
"""

from __future__ import annotations

import logging
from collections import deque

from tidegauge import clock, guard
from tidegauge.events import ConfigurationError

# Causes come from settings, files and packages, which are few; this is a second line of defence.
MAX_CAUSES = 100
#: The cause of ``tidegauge.errors``: an alert on it is all that Prometheus hears.
CAUSE = "configuration"

#: Those that nobody was told of yet, the oldest first.
waiting: deque[ConfigurationError] = deque()
_known: set[str] = set()


def misconfigured(logger: logging.Logger, subject: str, message: str) -> None:
    """Log an ERROR, and let the event sinks hear of it once.

    Parameters
    ----------
    logger : Logger
        Of the package that has found it.
    subject : str
        What is wrong: a setting, a file, a plugin.
    message : str
        What stands in the log: what was got, from where, what is expected, what to do. No secret
        and no value of a row.
    """
    logger.error("%s", message)
    note(subject, message)


def note(subject: str, message: str) -> None:
    """Let the event sinks hear once of what the log has said already."""
    if message not in _known and len(_known) < MAX_CAUSES:
        _known.add(message)
        guard.count(CAUSE)
        waiting.append(ConfigurationError(subject, message, clock.system()))


def reset() -> None:
    """Forget all of it."""
    waiting.clear()
    _known.clear()
