"""When a reference was built."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds(built: str) -> float | None:
    """Return the time that a profile's ``built`` says, since the epoch; none if it says none."""
    try:
        found = datetime.fromisoformat(built)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
