"""Without an Agent: what arrives, and what an outage costs."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tidegauge import guard, unsent
from tidegauge_exporter_datadog.payload import DISTRIBUTIONS, EVENTS, SERIES
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point
from tidegauge_exporter_datadog.transport import DatadogEvent
from tidegauge_testkit.backends import wait_until
from tidegauge_testkit.datadog_intake import DatadogIntake, Reply
from tidegauge_testkit.forks import in_child

LIMIT_S = 60.0
AT_S = 1_795_000_000.0
MakeIntake = Callable[..., Any]
KEY = "0123456789abcdef0123456789abcdef"
# So long a hang that a test which waits for it fails.
HANG_S = 50.0


def gauge(number: int) -> Point:
    """Return a gauge that can be told from others."""
    return Gauge(f"gauge.{number}", float(number), ("env:test",), AT_S + number)


# -- what arrives ------------------------------------------------------------------------------


def test_points_and_events_arrive(api: DatadogIntake, make: MakeIntake) -> None:
    """Each on its path, with the key, compressed where the API takes it so."""
    intake = make(api.url)
    intake.send(
        [
            Count("model.requests", 3.0, ("env:test",), 10.0, AT_S),
            Distribution("model.request.latency", (0.25,), (4,), ("env:test",), AT_S),
        ]
    )
    intake.send_event(DatadogEvent("title", "text", "warning", "key", ("env:test",), AT_S))
    assert intake.flush(LIMIT_S)
    series, distributions, event = api.posted()
    assert [SERIES, DISTRIBUTIONS, EVENTS] == [series.path, distributions.path, event.path]
    headers = {name.lower(): value for name, value in series.headers.items()}
    assert (KEY, "deflate", "application/json") == (
        headers["dd-api-key"],
        headers["content-encoding"],
        headers["content-type"],
    )
    assert [[1_795_000_000, 3.0]] == series.body["series"][0]["points"]
    assert [[1_795_000_000, [0.25] * 4]] == distributions.body["series"][0]["points"]
    assert ("title", "box") == (event.body["title"], event.body["host"])
    assert {} == unsent.counts()


def test_a_path_in_front_stays(api: DatadogIntake, make: MakeIntake) -> None:
    """VictoriaMetrics and proxies have one."""
    intake = make(f"{api.url}/datadog")
    api.replies.append(Reply())
    intake.send([gauge(1)])
    intake.flush(LIMIT_S)
    assert ["/datadog/api/v1/series"] == [each.path for each in api.posted()]
    api.faults.clear()  # the API itself has no such path


def test_two_collections_of_one_second_are_one(api: DatadogIntake, make: MakeIntake) -> None:
    """Datadog would keep the later one and forget the other; a flush waits for no second."""
    intake = make(api.url, wall=lambda: AT_S)
    for at_s in (AT_S + 0.1, AT_S + 0.4, AT_S + 0.9, AT_S + 10.2, AT_S + 10.7):
        intake.send([Count("model.requests", 1.0, (), 0.25, at_s)])
    assert intake.flush(LIMIT_S)
    points = [series["points"][0] for series in api.series(SERIES)]
    # An interval that began in a second may be of the next one, and no later.
    assert [1.0, 1.0, 2.0, 1.0] == [value for _, value in points]
    assert [0, 1, 10, 11] == [second - 1_795_000_000 for second, _ in points]


def test_what_waits_for_a_second_needs_nothing_to_follow(
    api: DatadogIntake, make: MakeIntake
) -> None:
    """An app that is idle exports no more."""
    now = [AT_S + 0.1]
    intake = make(api.url, wall=lambda: now[0])
    for value in (1.0, 2.0, 3.0):
        intake.send([Gauge("g", value, (), AT_S + value / 10)])
    api.wait_for(1)
    now[0] = AT_S + 1.5
    api.wait_for(2)
    points = [series["points"][0] for series in api.series(SERIES)]
    assert [[1_795_000_000, 1.0], [1_795_000_001, 3.0]] == points


def test_nothing_to_send_is_no_request(api: DatadogIntake, make: MakeIntake) -> None:
    """An app that is idle costs nothing."""
    intake = make(api.url)
    intake.send([])
    assert intake.flush(LIMIT_S)
    assert [] == api.posted()


# -- what fails and may be better later ---------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_be_better_later_is_tried_again(
    status: int, api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """Nothing is lost, nothing is sent twice, the order stays, and one line says so."""
    api.replies += [Reply(status)] * 3
    intake = make(api.url)
    intake.send([gauge(1)])
    intake.send([gauge(2)])
    api.wait_for(5)
    assert intake.flush(LIMIT_S)
    names = [each.body["series"][0]["metric"] for each in api.posted()]
    assert ["gauge.1"] * 4 + ["gauge.2"] == names
    (line,) = said(logging.WARNING)
    assert line.startswith(f"Datadog {api.url}: got HTTP {status} ")
    assert {} == unsent.counts()


def test_the_reset_header_is_obeyed(api: DatadogIntake, make: MakeIntake) -> None:
    """Also by who flushes: Datadog would refuse it once more."""
    api.replies.append(Reply(429, {"X-RateLimit-Reset": "0.5"}))
    intake = make(api.url, jitter=lambda: 0.0)
    intake.send([gauge(1)])
    api.wait_for(1)
    assert intake.flush(LIMIT_S)
    first, second = api.posted()
    assert second.at_s - first.at_s >= 0.5


def test_a_flush_does_not_wait_for_the_backoff(api: DatadogIntake, make: MakeIntake) -> None:
    """At the end of a process nothing is left to wait for."""
    api.replies.append(Reply(503))
    intake = make(api.url, first_wait_s=10_000.0)
    intake.send([gauge(1)])
    api.wait_for(1)
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)
    assert intake.flush(LIMIT_S)
    assert 2 == len(api.posted())


def test_an_api_that_hangs_costs_a_flush_its_limit_and_no_more(
    api: DatadogIntake, make: MakeIntake
) -> None:
    """Neither who sends nor who closes waits for it."""
    api.replies += [Reply(hangs=True)] * 2
    intake = make(api.url)
    began_s = time.monotonic()
    intake.send([gauge(1)])
    assert not intake.flush(0.2)
    intake.close(0.2)
    assert 0.2 <= time.monotonic() - began_s < HANG_S / 2


def test_what_hangs_is_given_up_and_tried_again(
    api: DatadogIntake, make: MakeIntake, said: Any
) -> None:
    """After its own limit, not after the 60 s of others."""
    api.replies.append(Reply(hangs=True))
    intake = make(api.url, timeout_s=0.2)
    intake.send([gauge(1)])
    api.wait_for(2)
    assert intake.flush(LIMIT_S)
    (line,) = said(logging.WARNING)
    assert line.startswith(f"Datadog {api.url}: got TimeoutError: timed out;")
    assert {} == unsent.counts()


def test_nobody_there(make: MakeIntake, said: Any) -> None:
    """However often it is tried, one line a minute; what waits at the end is counted."""
    now = [0.0]
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        intake = make(url, monotonic=lambda: now[0] + time.monotonic() / 1e6)
        intake.send([gauge(1)])
        wait_until(lambda: intake._failures > 0, "a failure", LIMIT_S)
        for _ in range(20):
            now[0] += 2.9  # each flush is a try
            intake.flush(0.01)
        assert 1 == len(said(logging.WARNING))
        now[0] += 60.0
        intake.flush(0.01)
        wait_until(lambda: len(said(logging.WARNING)) == 2, "another line", LIMIT_S)
        intake.close(0.0)
    *outages, end = said(logging.WARNING)
    assert all(
        line.startswith(f"Datadog {url}: got ConnectionRefusedError: [Errno 111]")
        for line in outages
    )
    assert "line: 1 because the process has ended before Datadog took it." in end
    assert {"datadog.closed": 1} == unsent.counts()


def test_a_name_that_nobody_knows(make: MakeIntake, said: Any) -> None:
    """DNS fails: as any outage."""
    intake = make("http://intake.invalid")
    intake.send([gauge(1)])
    wait_until(lambda: bool(said(logging.WARNING)), "the line", LIMIT_S)
    assert said(logging.WARNING)[0].startswith("Datadog http://intake.invalid: got gaierror: ")


def test_who_does_not_speak_http(make: MakeIntake, said: Any) -> None:
    """It may be a port of something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):  # else the line itself might be lost
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        intake = make(url, first_wait_s=10_000.0)
        intake.send([gauge(1)])
        wait_until(lambda: bool(said(logging.WARNING)), "the line", LIMIT_S)
        thread.join()
    assert "BadStatusLine" in said(logging.WARNING)[0]


# -- threads and forks ---------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_sends_its_own_and_not_its_parents(
    api: DatadogIntake, make: MakeIntake
) -> None:
    """What waited when the process forked is the parent's; no lock of it is inherited."""
    api.replies.append(Reply(503))
    intake = make(api.url, first_wait_s=10_000.0)
    intake.send([gauge(1)])
    api.wait_for(1)
    wait_until(lambda: intake._not_before_s > 0, "the first failure is noted", LIMIT_S)

    def child() -> list[bool]:
        idle = intake.flush(LIMIT_S)
        intake.send([gauge(2)])
        return [idle, intake.flush(LIMIT_S)]

    with intake._ready:  # as a thread of the parent may
        assert [True, True] == in_child(child)
    assert ["gauge.2"] == [s["metric"] for s in api.series(SERIES)]
    assert intake.flush(LIMIT_S)
    assert ["gauge.2", "gauge.1"] == [s["metric"] for s in api.series(SERIES)]


def test_where_no_thread_can_be_started_a_flush_sends(
    api: DatadogIntake, make: MakeIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that ends starts none."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        intake = make(api.url)
        api.replies.append(Reply(503))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_start", lambda: False)
        intake.send([gauge(1)])
        assert intake.flush(LIMIT_S)
        assert intake.flush(0.0)
    assert ["gauge.1"] == [s["metric"] for s in api.series(SERIES)]
    assert 2 == len(api.posted())


def test_after_the_end_nothing_is_sent_and_all_is_counted(
    api: DatadogIntake, make: MakeIntake
) -> None:
    """A second end does nothing."""
    intake = make(api.url)
    intake.close(LIMIT_S)
    intake.close(LIMIT_S)
    intake.send([gauge(1)])
    assert not [each for each in threading.enumerate() if each is intake._thread]
    assert [] == api.posted()
    assert {"datadog.closed": 1} == unsent.counts()


def test_a_fault_of_ours_costs_one_request(
    api: DatadogIntake, make: MakeIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on with the next."""
    intake = make(api.url)
    post = intake._poster.post
    first = [True]

    def fail_once(parcel: Any) -> Any:
        if first:
            first.clear()
            raise LookupError
        return post(parcel)

    monkeypatch.setattr(intake._poster, "post", fail_once)
    intake.send([gauge(1)])
    intake.send([gauge(2)])
    assert intake.flush(LIMIT_S)
    assert ["gauge.2"] == [s["metric"] for s in api.series(SERIES)]
    assert {"datadog.fault": 1} == unsent.counts()
    assert {"datadog.deliver:LookupError": 1} == guard.counts()
