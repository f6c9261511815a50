"""Without an Agent: what is given up, how it is counted and said, and what is never said."""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from tidegauge import misconfiguration, unsent
from tidegauge_exporter_datadog.payload import DISTRIBUTIONS, SERIES
from tidegauge_exporter_datadog.points import Distribution, Gauge, Point
from tidegauge_testkit.backends import wait_until
from tidegauge_testkit.datadog_intake import DatadogIntake, Reply

LIMIT_S = 60.0
AT_S = 1_795_000_000.0
MakeIntake = Callable[..., Any]
KEY = "0123456789abcdef0123456789abcdef"


def gauge(number: int) -> Point:
    """Return a gauge that can be told from others."""
    return Gauge(f"gauge.{number}", float(number), ("env:test",), AT_S + number)


# -- what fails for good ------------------------------------------------------------------------


def test_a_wrong_key_is_one_error_and_then_a_counter(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """It names the settings, it is not tried again, and event sinks hear of it."""
    api.replies += [Reply(403, body=b'{"errors":["Forbidden"]}')] * 3
    intake = make(api.url)
    for number in range(3):
        intake.send([gauge(number)])
    assert intake.flush(LIMIT_S)
    assert 3 == len(api.posted())
    message = (
        'DD_API_KEY: got HTTP 403 Forbidden ({"errors":["Forbidden"]}) from '
        f"{api.url}; expected a key of an organisation at DD_SITE. What is sent is lost, the app "
        "is not affected; further ones are counted in tidegauge.export.failures. Set both as "
        "Datadog shows them under Organization Settings."
    )
    assert [message] == said(logging.ERROR)
    assert [] == said(logging.WARNING)
    assert {"datadog.refused": 3} == unsent.counts()
    assert ["DD_API_KEY"] == [each.subject for each in misconfiguration.waiting]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_is_refused_is_not_tried_again(
    status: int, api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """One line a status, with what the API says."""
    api.replies += [Reply(status, body=b"not so")] * 2
    intake = make(api.url)
    for number in range(3):
        intake.send([gauge(number)])
    assert intake.flush(LIMIT_S)
    assert 3 == len(api.posted())
    (line,) = said(logging.ERROR)
    assert line.startswith(f"Datadog {api.url}: got HTTP {status} ")
    assert "(not so); expected HTTP 202." in line
    assert {"datadog.refused": 2} == unsent.counts()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_key_follows_no_redirect(
    status: int, api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """It would go to whoever is named there."""
    with DatadogIntake() as other:
        api.replies.append(Reply(status, {"Location": f"{other.url}{SERIES}"}))
        intake = make(api.url)
        intake.send([gauge(1)])
        intake.flush(5.0)
        assert [] == other.posted()
    assert {"datadog.refused": 1} == unsent.counts()
    assert f"HTTP {status}" in said(logging.ERROR)[0]


def test_what_is_too_large_is_halved_until_it_is_taken(make: MakeIntake) -> None:
    """All of it arrives, once."""
    with DatadogIntake(most_bytes=600) as api:
        intake = make(api.url)
        intake.send([gauge(number) for number in range(200)])
        intake.send([Distribution("d", tuple(n / 7 for n in range(300)), (1,) * 300, (), AT_S)])
        assert intake.flush(LIMIT_S)
        taken = [each for each in api.posted() if each.size_bytes <= 600]
    names = [s["metric"] for each in taken if each.path == SERIES for s in each.body["series"]]
    assert sorted(f"gauge.{number}" for number in range(200)) == sorted(names)
    seen = [
        value
        for each in taken
        if each.path == DISTRIBUTIONS
        for series in each.body["series"]
        for value in series["points"][0][1]
    ]
    assert sorted(float(f"{n / 7:.6g}") for n in range(300)) == sorted(seen)
    assert {} == unsent.counts()


def test_a_value_that_is_too_large_alone_is_lost_and_counted(make: MakeIntake, said: Any) -> None:
    """The others arrive."""
    with DatadogIntake(most_bytes=250) as api:
        intake = make(api.url)
        noise = "".join(map(chr, range(0x4E00, 0x4E00 + 150)))
        intake.send([Gauge("g", 1.0, (f"feature:{noise}",), AT_S), gauge(2)])
        assert intake.flush(LIMIT_S)
        taken = [each for each in api.posted() if each.size_bytes <= 250]
    assert ["gauge.2"] == [each.body["series"][0]["metric"] for each in taken]
    assert {"datadog.too_large": 1} == unsent.counts()
    assert said(logging.WARNING)[0].endswith(
        "Requests that are lost since the last such line: 1 because a single value is more than "
        "Datadog takes in a request. All are counted in tidegauge.export.failures. The app is not "
        "affected."
    )


# -- bounds --------------------------------------------------------------------------------------


def test_the_queue_is_bounded_and_what_is_dropped_is_counted(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """The oldest go; nobody waits."""
    api.replies.append(Reply(503))
    intake = make(api.url, queue_bytes=4_000, first_wait_s=10_000.0)
    intake.send([gauge(0)])
    api.wait_for(1)
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)
    for number in range(1, 100):
        intake.send([gauge(number)])
    assert intake._waiting.size_bytes <= 4_000
    kept = len(intake._waiting)
    assert {"datadog.full": 100 - kept} == unsent.counts()
    assert intake.flush(LIMIT_S)
    names = [each.body["series"][0]["metric"] for each in api.posted()[1:]]
    assert [f"gauge.{number}" for number in range(100 - kept, 100)] == names


def test_each_loss_is_told_of_though_an_outage_was_said_first(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """What is lost within the minute after a line is in the next line, whatever that is about."""
    now = [0.0]
    api.replies += [Reply(503)] * 2
    intake = make(api.url, monotonic=lambda: now[0], queue_bytes=4_000, first_wait_s=10_000.0)
    intake.send([gauge(0)])
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)
    for number in range(1, 100):
        intake.send([gauge(number)])
    (outage,) = said(logging.WARNING)
    assert "lost" not in outage

    now[0] = 60.0
    intake.flush(0.0)  # a second try, which fails too
    wait_until(lambda: len(said(logging.WARNING)) > 1, "a second line", LIMIT_S)
    lost = unsent.counts()["datadog.full"]
    told = f"Requests that are lost since the last such line: {lost} because more waits than "
    assert told in said(logging.WARNING)[1]

    wait_until(lambda: not intake._sending, "the second failure is noted", LIMIT_S)
    for number in range(100, 150):
        intake.send([gauge(number)])
    more = unsent.counts()["datadog.full"] - lost
    assert 0 < more
    assert 2 == len(said(logging.WARNING))
    now[0] = 3_700.0  # nothing of it may be sent any more
    intake.flush(LIMIT_S)
    intake.close(LIMIT_S)
    expired = unsent.counts()["datadog.expired"]
    assert 150 == lost + more + expired
    (line,) = said(logging.WARNING)[2:]
    assert f"line: {more} because more waits than" in line
    assert f"; {expired} because it has waited for an hour" in line


def test_a_process_that_ends_tells_of_what_it_has_lost(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """Within a minute of another line too: there is no later one."""
    api.replies += [Reply(503)] * 2
    intake = make(api.url, first_wait_s=10_000.0)
    intake.send([gauge(0)])
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)
    intake.send([gauge(1)])
    intake.close(0.0)
    number = unsent.counts()["datadog.closed"]
    assert number
    line = said(logging.WARNING)[-1]
    assert f"line: {number} because the process has ended before Datadog took it." in line


def test_what_datadog_would_not_take_any_more_is_not_sent(
    api: DatadogIntake, make: MakeIntake
) -> None:
    """After an hour; by a clock that nobody sets back."""
    now = [0.0]
    api.replies.append(Reply(503))
    intake = make(api.url, monotonic=lambda: now[0], first_wait_s=10_000.0)
    intake.send([gauge(1)])
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)
    now[0] = 3_601.0
    intake.send([gauge(2)])
    assert intake.flush(LIMIT_S)
    assert ["gauge.2"] == [s["metric"] for s in api.series(SERIES)]
    assert {"datadog.expired": 1} == unsent.counts()


@pytest.mark.parametrize(("ahead_s", "side"), [(7_200.0, "ahead of"), (-7_200.0, "behind")])
def test_a_clock_that_is_wrong_is_said_once(
    ahead_s: float, side: str, api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """Datadog takes the request and drops what is in it, without a word."""
    intake = make(api.url, wall=lambda: time.time() + ahead_s)
    for number in range(3):
        intake.send([gauge(number)])
    assert intake.flush(LIMIT_S)
    (line,) = said(logging.WARNING)
    assert f"s {side} Datadog's ({api.url})" in line
    assert 3 == len(api.posted())


def test_a_clock_that_is_right_is_not_mentioned(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """Nor is one that an answer without a date says nothing of."""
    intake = make(api.url)
    intake.send([gauge(1)])
    assert intake.flush(LIMIT_S)
    assert [] == said(logging.WARNING)


# -- the key -------------------------------------------------------------------------------------


def test_the_key_is_in_no_log_repr_or_exception(
    api: DatadogIntake,
    make: MakeIntake,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not where a proxy sends it back, not where an app debugs its HTTP requests."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    echo = f'{{"errors":["no such key: {KEY}"]}}'.encode()
    api.replies += [Reply(403, body=echo), Reply(400, body=echo), Reply(503, body=echo)]
    intake = make(api.url)
    for number in range(4):
        intake.send([gauge(number)])
    assert intake.flush(LIMIT_S)
    shown = "".join(map(repr, (intake, intake._poster, intake._poster._destination)))
    out, err = capfd.readouterr()
    everything = caplog.text + shown + out + err + str(list(misconfiguration.waiting))
    assert "no such key: (hidden)" in everything
    assert KEY not in everything
    assert KEY[:12] not in everything
