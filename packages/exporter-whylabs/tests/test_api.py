"""Requests as WhyLabs' own client makes them; whatever the platform does, profiles are kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge import unsent
from tidegauge.answers import Outcome
from tidegauge_exporter_whylabs.api import ApiWriter, Platform
from tidegauge_exporter_whylabs.losses import Losses
from tidegauge_exporter_whylabs.sender import Sender
from tidegauge_exporter_whylabs.settings import WhylabsSettings, shared_dataset
from tidegauge_exporter_whylabs.spool import Spool
from tidegauge_testkit.backends.ports import free_port

pytest.importorskip("whylabs_client", reason="comes with whylogs, which has no wheels above 3.12")

from tidegauge_testkit.whylabs_platform import KEY, Reply, WhylabsPlatform, checked

NOON_MS = 1_795_089_600_000
STEM = "fraud_3_20261119T120000Z_0a1b2c3d-1"
CONTENT = b"WHY1 a profile"
HANG_S = 50.0
Said = Callable[[int], list[str]]


@pytest.fixture
def platform() -> Iterator[WhylabsPlatform]:
    """Serve what answers as a platform; at the end nothing was wrong with what it got."""
    with WhylabsPlatform() as served:
        yield served
    assert [] == served.faults


def to(url: str, timeout_s: float = HANG_S) -> ApiWriter:
    """Return a writer to a platform."""
    return ApiWriter(Platform(url, KEY, "org-1", "model-1", {"churn": "model-2"}), timeout_s)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands."""
    return Clock()


@pytest.fixture
def spool(folder: Path) -> Spool:
    """Return the spool of this process."""
    return Spool(folder, 1_000_000, Losses().lost)


def sender(spool: Spool, writer: ApiWriter, clock: Clock) -> Sender:
    """Return what sends, without any jitter."""
    return Sender(spool, writer, Losses(clock), monotonic=clock, jitter=lambda: 1.0)


def test_a_profile_is_announced_and_put(platform: WhylabsPlatform) -> None:
    """By its interval, to its model's dataset; the upload has no key with it."""
    writer = to(platform.url)
    assert Outcome.DELIVERED is writer.write(STEM, CONTENT).outcome
    assert Outcome.DELIVERED is writer.write(STEM.replace("fraud", "churn"), CONTENT).outcome
    found = [(each.dataset, each.timestamp_ms, each.content) for each in platform.uploads()]
    assert [("model-1", NOON_MS, CONTENT), ("model-2", NOON_MS, CONTENT)] == found
    assert ["POST", "PUT", "POST", "PUT"] == [method for method, _, _ in platform.requests]


def test_a_dataset_of_two_models_is_said_once(platform: WhylabsPlatform, said: Said) -> None:
    """When the second one's profile is sent, with what to set; those with a dataset are well."""
    writer = to(platform.url)
    for model in ("fraud", "churn", "fraud"):
        writer.write(STEM.replace("fraud", model), CONTENT)
    assert [] == said(logging.WARNING)
    for model in ("risk", "risk", "price"):
        writer.write(STEM.replace("fraud", model), CONTENT)
    assert [
        "TIDEGAUGE_WHYLABS_DATASETS: got no dataset of fraud, risk from the environment, and "
        "WHYLABS_DEFAULT_DATASET_ID=model-1 takes one model; expected a dataset for each, as the "
        "platform mixes what it gets. Set it to fraud=<dataset>,risk=<dataset>."
    ] == said(logging.WARNING)


@pytest.mark.parametrize(
    ("more", "shared"),
    [
        ({}, ["churn", "fraud"]),
        ({"datasets": (("churn", "model-2"),)}, []),
        ({"writer": "local"}, []),
        ({"dataset_id": ""}, []),
    ],
)
def test_a_dataset_of_two_models_is_known_before(more: dict[str, Any], shared: list[str]) -> None:
    """By their names, which doctor knows; one of them may have a dataset of its own."""
    chosen = WhylabsSettings(**{"writer": "whylabs", "dataset_id": "model-1", **more})
    assert [shared_dataset("model-1", shared)] * bool(shared) == list(
        chosen.doubts(["fraud", "churn"])
    )
    assert [] == list(chosen.doubts(["fraud"]))


def test_a_reference_is_put_under_its_name(platform: WhylabsPlatform) -> None:
    """To the organisation's dataset."""
    written = to(platform.url).write_reference("train 3", NOON_MS / 1000, "model-1", CONTENT)
    assert Outcome.DELIVERED is written.outcome
    (found,) = platform.uploads()
    assert ("org-1", "model-1", "train 3", NOON_MS) == (
        found.org, found.dataset, found.alias, found.timestamp_ms
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"segmentTags": [], "region": None},
        {"datasetTimestamp": "noon", "segmentTags": [], "region": None},
        {"datasetTimestamp": 1, "segmentTags": [], "region": None, "model": "x"},
        {"datasetTimestamp": 1, "region": None},
    ],
)
def test_the_platform_is_strict(body: object) -> None:
    """Otherwise the tests here would pass on anything."""
    with pytest.raises(ValueError, match=r"segment|dataset|keys|Timestamp"):
        checked("log", body)


@pytest.mark.parametrize(
    ("replies", "outcome", "got"),
    [
        ([Reply(503)], Outcome.LATER, "HTTP 503 Service Unavailable"),
        ([Reply(429, {"Retry-After": "7"})], Outcome.LATER, "HTTP 429 Too Many Requests"),
        ([Reply(403, body=b"no key")], Outcome.REFUSED, "HTTP 403 Forbidden (no key)"),
        ([Reply(404)], Outcome.REFUSED, "HTTP 404 Not Found"),
        ([Reply(307, {"Location": "/x"})], Outcome.REFUSED, "HTTP 307 Temporary Redirect"),
        ([Reply(200, body=b"{}")], Outcome.REFUSED, "an answer without an uploadUrl"),
        ([Reply(200, body=b'{"uploadUrl": "file:///etc/passwd"}')], Outcome.REFUSED,
         "an answer without an uploadUrl"),
        ([Reply(200, body=b"<html>")], Outcome.REFUSED, "an answer without an uploadUrl"),
        ([Reply(drops=True)], Outcome.LATER, "RemoteDisconnected"),
        ([Reply(), Reply(403)], Outcome.LATER, "HTTP 403 Forbidden (upload)"),
        ([Reply(), Reply(500)], Outcome.LATER, "HTTP 500 Internal Server Error (upload)"),
        ([Reply(), Reply(drops=True)], Outcome.LATER, "RemoteDisconnected"),
    ],
)  # fmt: skip
def test_what_an_answer_means(
    platform: WhylabsPlatform, replies: list[Reply], outcome: Outcome, got: str
) -> None:
    """A signed URL that is no longer good is asked for again; a wrong key is said to be wrong."""
    platform.replies.extend(replies)
    written = to(platform.url).write(STEM, CONTENT)
    assert (outcome, got) == (written.outcome, written.got)
    assert (7.0 if "429" in got else None) == written.wait_s
    assert [] == platform.uploads()


def test_a_hang_is_left_after_the_limit(platform: WhylabsPlatform) -> None:
    """While it hangs nobody else waits: it has a thread of its own."""
    platform.replies.append(Reply(hangs=True))
    written = to(platform.url, 0.2).write(STEM, CONTENT)
    assert (Outcome.LATER, "TimeoutError") == (written.outcome, written.got)


def test_a_model_without_a_dataset_is_said(platform: WhylabsPlatform) -> None:
    """With the line to set."""
    writer = ApiWriter(Platform(platform.url, KEY, "", "", {"churn": "model-2"}), HANG_S)
    written = writer.write(STEM, CONTENT)
    assert Outcome.REFUSED is written.outcome
    assert "Set it to fraud=<dataset>." == written.advice


def test_ten_intervals_of_an_outage_are_sent_when_it_ends(
    platform: WhylabsPlatform, spool: Spool, clock: Clock, said: Said
) -> None:
    """All of them, once, the oldest first; meanwhile it is said."""
    port = free_port()
    down = sender(spool, to(f"http://127.0.0.1:{port}"), clock)
    for hour in range(10):
        spool.close(f"fraud_3_20261119T{hour:02}0000Z_0a1b2c3d-1", CONTENT + bytes([hour]))
        for _ in range(60):
            assert not down.send()
            clock.now_s += 60.0
    assert 10 == len(list(spool.waiting()))
    warnings = said(logging.WARNING)
    assert "ConnectionRefusedError" in warnings[0]
    assert sender(spool, to(platform.url), clock).send()
    hours = [each.content[-1] for each in platform.uploads()]
    assert list(range(10)) == hours
    assert ([], {}) == (list(spool.waiting()), unsent.counts())


def test_each_wait_is_longer(spool: Spool, clock: Clock) -> None:
    """Twice as long, at most a minute, and it begins anew after a success."""
    down = sender(spool, to(f"http://127.0.0.1:{free_port()}"), clock)
    spool.close(STEM, CONTENT)
    waits = []
    for _ in range(8):
        assert not down.send()
        waits.append(down.due_s())
        assert not down.send()  # too early: nothing is tried
        clock.now_s += waits[-1]
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == waits


def test_who_is_told_when_to_come_back_does(
    platform: WhylabsPlatform, spool: Spool, clock: Clock
) -> None:
    """Also at the end of the process, when all else is tried at once."""
    platform.replies.append(Reply(503, {"Retry-After": "30"}))
    spool.close(STEM, CONTENT)
    told = sender(spool, to(platform.url), clock)
    assert not told.send()
    told.hurry()
    assert 31.0 == told.due_s()
    clock.now_s += 31.0
    assert told.send()
    assert 1 == len(platform.uploads())


def test_a_profile_that_is_refused_keeps_no_other(
    platform: WhylabsPlatform, spool: Spool, clock: Clock, said: Said
) -> None:
    """It waits, and is said once; when the platform takes it, it is sent."""
    platform.replies.append(Reply(404, body=b"no such dataset"))
    for number in range(3):
        spool.close(f"fraud_3_20261119T120000Z_0a1b2c3d-{number}", CONTENT)
    one = sender(spool, to(platform.url), clock)
    assert not one.send()
    assert (2, 1) == (len(platform.uploads()), len(list(spool.waiting())))
    (message,) = said(logging.ERROR)
    assert message == (
        f"WHYLABS_API_ENDPOINT: got HTTP 404 Not Found (no such dataset) from {platform.url}; "
        "expected it to take a profile. Look at it and at the datasets' ids. Profiles are kept "
        "within TIDEGAUGE_WHYLABS_SPOOL_BYTES and tried again; the app is not affected."
    )
    clock.now_s += 60.0
    assert one.send()
    assert 3 == len(platform.uploads())


def test_a_wrong_key_is_tried_three_times_in_a_row(
    platform: WhylabsPlatform, spool: Spool, clock: Clock, said: Said
) -> None:
    """Not once for each profile that waits; nothing is lost, and the key is in no message."""
    platform.replies.extend([Reply(401, body=f"bad key {KEY}".encode())] * 3)
    for number in range(5):
        spool.close(f"fraud_3_20261119T120000Z_0a1b2c3d-{number}", CONTENT)
    wrong = sender(spool, to(platform.url), clock)
    assert not wrong.send()
    assert (3, 5) == (len(platform.requests), len(list(spool.waiting())))
    assert "WHYLABS_API_KEY: got HTTP 401 Unauthorized (bad key (hidden))" in said(logging.ERROR)[0]
    assert KEY not in "".join(said(logging.ERROR) + said(logging.DEBUG)) + repr(Platform("", KEY))
    clock.now_s += 60.0
    assert wrong.send()
    assert 5 == len(platform.uploads())


def test_a_profile_is_sent_again_when_nobody_knew_that_it_came(
    platform: WhylabsPlatform, folder: Path, clock: Clock
) -> None:
    """A process that is killed after the upload: the next one sends the same profile, whole."""
    first = Spool(folder, 1_000_000, Losses().lost)
    first.close(STEM, CONTENT)
    assert Outcome.DELIVERED is to(platform.url).write(STEM, CONTENT).outcome
    first.abandon()  # before it could take note
    assert sender(Spool(folder, 1_000_000, Losses().lost), to(platform.url), clock).send()
    assert [CONTENT, CONTENT] == [each.content for each in platform.uploads()]


def test_two_processes_send_each_profile_once(platform: WhylabsPlatform, folder: Path) -> None:
    """One of them leads; the other one's profiles go with its own."""
    spools = [Spool(folder, 1_000_000, Losses().lost) for _ in range(2)]
    for number in range(20):
        spools[number % 2].close(f"fraud_3_20261119T120000Z_0a1b2c3d-{number}", CONTENT)
    senders = [sender(spool, to(platform.url), Clock()) for spool in spools]
    threads = [threading.Thread(target=each.send) for each in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 20 == len(platform.uploads())
    assert [] == list(spools[0].waiting())
