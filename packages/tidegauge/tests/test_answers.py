"""What a status and its headers mean, and how long an outage lets wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.answers import (
    LONGEST_S,
    Outcome,
    backoff_s,
    outcome,
    told_wait_s,
    unix_seconds,
)

NOON_S = 1_795_089_600.0
NOON = "Thu, 19 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Outcome.DELIVERED), (202, Outcome.DELIVERED), (301, Outcome.REFUSED),
        (307, Outcome.REFUSED), (400, Outcome.REFUSED), (403, Outcome.REFUSED),
        (404, Outcome.REFUSED), (408, Outcome.LATER), (413, Outcome.TOO_LARGE),
        (422, Outcome.REFUSED), (429, Outcome.LATER), (500, Outcome.LATER), (503, Outcome.LATER),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, expected: Outcome) -> None:
    """Tried again is what may be better later, and nothing else."""
    assert expected is outcome(status)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-RateLimit-Reset": "17"}, 17.0),
        ({"X-RateLimit-Reset": "0"}, 0.0),
        ({"X-RateLimit-Reset": "0.5", "Retry-After": "9"}, 0.5),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "9"}, 9.0),
        ({"Retry-After": "Thu, 19 Nov 2026 12:00:30 GMT"}, 30.0),
        # This host's clock is wrong by an hour; the answer has its own.
        (
            {
                "Retry-After": "Thu, 19 Nov 2026 13:00:30 GMT",
                "Date": "Thu, 19 Nov 2026 13:00:00 GMT",
            },
            30.0,
        ),
        ({"X-RateLimit-Reset": "1e9"}, 3600.0),
        ({"X-RateLimit-Reset": "inf"}, 3600.0),
        ({"X-RateLimit-Reset": "nan"}, None),
        ({"X-RateLimit-Reset": "-5"}, None),
        ({"Retry-After": "Thu, 19 Nov 2026 11:00:00 GMT"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_tells_to_wait(headers: dict[str, str], expected: float | None) -> None:
    """Seconds or a date, at most an hour; nonsense is nothing."""
    assert expected == told_wait_s(headers, NOON_S)


@given(st.text(max_size=40))
def test_no_header_breaks_it(text: str) -> None:
    """Whatever stands there, it is a wait that can be waited, or none."""
    found = told_wait_s({"X-RateLimit-Reset": text, "Retry-After": text, "Date": text}, NOON_S)
    assert found is None or 0 <= found <= 3600


def test_a_date_is_read_as_http_writes_it() -> None:
    """One without a zone is UTC."""
    assert NOON_S == unix_seconds(NOON) == unix_seconds(NOON.replace("GMT", "-0000"))
    assert unix_seconds("yesterday") is None


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_grow_and_are_bounded(failures: int, jitter: float) -> None:
    """Each at least half of what is due, at most all of it; never longer than the longest."""
    due_s = min(LONGEST_S, 2.0 ** min(failures - 1, 30))
    assert due_s / 2 <= backoff_s(failures, jitter) <= due_s
