"""What is sent arrives over real sockets; where it cannot, it is counted and nothing waits."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tidegauge import unsent
from tidegauge.quiet import QUIET_S
from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.channel import Channel
from tidegauge_exporter_datadog.dogstatsd import DogStatsD
from tidegauge_exporter_datadog.losses import Losses
from tidegauge_exporter_datadog.points import Count, Gauge, Point
from tidegauge_exporter_datadog.transport import DatadogEvent
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer
from tidegauge_testkit.backends.ports import free_port
from tidegauge_testkit.backends.process import wait_until

SCHEMES = ["udp", "unix", "unixstream"]
# Ten times as long as a transport waits for anything.
PATIENCE_S = 5.0


@pytest.fixture(params=SCHEMES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DogStatsDServer]:
    """Return a strict server on each kind of socket, that was not started yet."""
    made = DogStatsDServer(request.param, tmp_path)
    yield made
    made.stop()


def counted(number: int, name: str = "c") -> list[Point]:
    """Return points of which each takes a good part of a packet."""
    return [Count(name, 1.0, (f"k:{index:0190d}",), 10.0, 1.0) for index in range(number)]


Transport = Callable[[str], DogStatsD]


@pytest.fixture
def to() -> Iterator[Transport]:
    """Return what makes a transport to an address."""
    made: list[DogStatsD] = []

    def transport(url: str) -> DogStatsD:
        made.append(DogStatsD(Address.parse(url), ("dd.internal.entity_id:pod",)))
        return made[-1]

    yield transport
    for each in made:
        each.close(1.0)


def test_points_and_events_arrive(server: DogStatsDServer, to: Transport) -> None:
    """Whole, packed, and as a strict server takes them."""
    server.start()
    agent = to(server.url)
    agent.send([*counted(100), Gauge("g", 0.5, ("a:b",), time.time())])
    agent.send_event(DatadogEvent("Drift", "PSI\nhigh", "warning", "fraud", ("a:b",), 5.0))
    server.wait_for(lambda: bool(server.events()), "the event")
    assert [] == server.refused
    assert 100 == sum(server.counts("c").values())
    assert {("a:b", "dd.internal.entity_id:pod"): 0.5} == server.gauges("g")
    assert ["PSI\nhigh"] == [event.text for event in server.events()]
    assert {} == unsent.counts()


def test_an_agent_that_is_started_anew_is_found(server: DogStatsDServer, to: Transport) -> None:
    """What is sent meanwhile is lost and counted; afterwards all arrives."""
    agent = to(server.url)
    for round_number in range(2):
        agent.send(counted(10, "early"))  # before there is a socket, and after it is gone
        server.start()
        server.clear()
        agent.send(counted(10))
        server.wait_for(lambda: sum(server.counts("c").values()) == 10, "all counts")
        assert {} == server.counts("early"), f"round {round_number}"
        server.stop()
    assert ["datadog.no_listener"] == list(unsent.counts())


def test_between_two_exports_an_agent_may_be_started_anew(
    server: DogStatsDServer, to: Transport
) -> None:
    """The first packet after it finds the new socket: nothing is lost."""
    agent = to(server.url)
    for number in range(3):
        server.start()
        agent.send(counted(10, f"round.{number}"))
        server.wait_for(lambda: len(server.metrics(f"round.{number}")) == 10, "all counts")  # noqa: B023
        server.stop()
    assert {} == unsent.counts()


def test_a_flush_larger_than_a_queue_arrives(server: DogStatsDServer, to: Transport) -> None:
    """A reader that is slower than a burst is waited for; nobody needs to tune a kernel."""
    server.start()
    to(server.url).send(counted(300))
    server.wait_for(lambda: sum(server.counts("c").values()) == 300, "all counts")
    assert {} == unsent.counts()


@pytest.mark.parametrize("scheme", ["unix", "unixstream"])
def test_an_agent_that_does_not_read_holds_nobody_up(
    scheme: str, tmp_path: Path, to: Transport
) -> None:
    """Its queue fills up; what has no room is dropped and counted, in half a second."""
    with DogStatsDServer(scheme, tmp_path, reads=False) as server:
        agent = to(server.url)
        for _ in range(2):  # also while the queue is full already
            begun_s = time.monotonic()
            agent.send(counted(4_000))
            assert time.monotonic() - begun_s < PATIENCE_S
    lost = unsent.counts()
    assert ["datadog.full"] == list(lost)
    assert lost["datadog.full"] > 50


@pytest.mark.parametrize("scheme", ["unix", "unixstream"])
def test_an_agent_that_reads_on_understands(scheme: str, tmp_path: Path, to: Transport) -> None:
    """A packet that had no room is left out as a whole, and those after it are sound."""
    with DogStatsDServer(scheme, tmp_path, reads=False) as server:
        agent = to(server.url)
        agent.send(counted(4_000, "before"))
        server.read_on()
        agent.send(counted(10, "after"))
        server.wait_for(lambda: len(server.metrics("after")) == 10, "what came after")
        assert [] == server.refused
        assert 0 < len(server.metrics("before")) < 4_000


def test_half_a_packet_spoils_no_stream(tmp_path: Path) -> None:
    """Where a packet could not be finished, the next one is on another connection."""
    with DogStatsDServer("unixstream", tmp_path, reads=False) as server:
        channel = Channel(Address.parse(server.url))
        with pytest.raises(TimeoutError):
            channel.write(bytes(4 << 20), time.monotonic() + 0.1)
        server.read_on()
        channel.write(b"c:1|c", time.monotonic() + PATIENCE_S)
        server.wait_for(lambda: bool(server.metrics("c")), "the packet after it")
        channel.close()


def test_a_packet_too_long_for_a_socket_stops_no_other(tmp_path: Path, to: Transport) -> None:
    """Some systems allow less than others."""
    with DogStatsDServer("unix", tmp_path) as server:
        agent = to(server.url)
        agent.send(counted(1))
        opened = agent._channel._socket
        assert opened is not None
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is: 4608
        agent.send(counted(45))
        server.wait_for(lambda: len(server.metrics("c")) > 1, "the last packet")
    assert {"datadog.too_long": 1} == unsent.counts()


@pytest.mark.parametrize(
    ("url", "packets"),
    [("udp://127.0.0.1:{port}", 4), ("unix://{path}", 1), ("unixstream://{path}", 1)],
)
def test_nobody_listens(
    url: str,
    packets: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    to: Transport,
) -> None:
    """Every packet is counted, one line says so, and it takes no time."""
    address = url.format(port=free_port(), path=tmp_path / "none.socket")
    agent = to(address)
    begun_s = time.monotonic()
    for _ in range(20):
        agent.send(counted(20))
    assert time.monotonic() - begun_s < PATIENCE_S
    assert {"datadog.no_listener": 20 * packets} == unsent.counts()
    (record,) = caplog.records
    assert logging.WARNING == record.levelno
    got = "Connection refused" if packets == 4 else "No such file or directory"
    assert (
        f"DogStatsD at {address}: got {got}; expected the Agent to listen. Lost: {packets} since "
        "the last such line; the app is not affected. Start it, or say where it is: DD_AGENT_HOST, "
        "DD_DOGSTATSD_PORT or DD_DOGSTATSD_URL. All are counted in tidegauge.export.failures; this "
        "is said once a minute at most."
    ) == record.getMessage()


def test_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """It says how much was lost since the one before."""
    now_s = 0.0
    losses = Losses("DogStatsD at udp://a:1", lambda: now_s)
    for number in range(601):
        now_s = number / 10  # a minute and a tenth of a second
        losses.add(1, "full", "got nothing; expected more", "Look at it")
    assert QUIET_S == 60
    said = [re.findall("Lost: ([0-9]+) since", record.getMessage()) for record in caplog.records]
    assert [["1"], ["600"]] == said


def test_a_host_without_an_address(caplog: pytest.LogCaptureFixture, to: Transport) -> None:
    """One line names it; the lookup is not repeated with each export."""
    agent = to("udp://agent.invalid")
    for _ in range(5):
        agent.send(counted(20))
    assert {"datadog.unknown_host": 20} == unsent.counts()
    (record,) = caplog.records
    assert "('agent.invalid'); expected a host that the name server knows" in record.getMessage()


def test_a_name_server_that_hangs_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, to: Transport
) -> None:
    """What is sent meanwhile is lost; as soon as there is an answer the rest arrives."""
    answers = threading.Event()
    real = socket.getaddrinfo

    def hanging(host: str, *args: object, **options: object) -> object:
        if host == "agent.test":
            if options.get("flags"):
                raise socket.gaierror(socket.EAI_NONAME, "no number")
            answers.wait(60)
            host = "127.0.0.1"
        return real(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    with DogStatsDServer() as server:
        port = int(server.url.rpartition(":")[2])
        begun_s = time.monotonic()
        agent = to(f"udp://agent.test:{port}")
        agent.send(counted(1))
        assert time.monotonic() - begun_s < PATIENCE_S
        assert {"datadog.unknown_host": 1} == unsent.counts()
        answers.set()

        def arrives() -> bool:
            agent.send(counted(1, "late"))
            return bool(server.counts("late"))

        wait_until(arrives, "a packet after the answer", 30)
        assert {} == server.counts("c")


FORKING = """
import sys
from tidegauge import unsent
from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.dogstatsd import DogStatsD
from tidegauge_exporter_datadog.points import Count
from tidegauge_testkit.forks import in_child

def send(name, times):
    for _ in range(times):
        agent.send([Count(name, 1.0, (f"k:{index:0190d}",), 10.0, 1.0) for index in range(5)])
    return unsent.counts()

agent = DogStatsD(Address.parse(sys.argv[1]))
send("before", 1)
# As if another thread sent at this moment: the child has none that would let go.
agent._lock.acquire()
lost = in_child(lambda: send("child", 50))
agent._lock.release()
assert {} == send("parent", 50) == lost, lost
agent.close(1.0)
"""


def test_a_forked_child_has_a_socket_of_its_own(server: DogStatsDServer) -> None:
    """Its parent's lock is no obstacle, and no two write into one stream."""
    server.start()
    done = subprocess.run(
        [sys.executable, "-c", FORKING, server.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    server.wait_for(lambda: len(server.metrics()) == 505, "all of both")
    assert [] == server.refused
    assert {"before": 5, "child": 250, "parent": 250} == Counter(m.name for m in server.metrics())


def test_threads_take_turns(server: DogStatsDServer, to: Transport) -> None:
    """An event may be sent while metrics are."""
    server.start()
    agent = to(server.url)
    event = DatadogEvent("Drift", "high", "info", "fraud", (), 5.0)
    work = [lambda: agent.send(counted(30)), lambda: agent.send_event(event)]
    threads = [threading.Thread(target=each) for each in work * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    server.wait_for(
        lambda: len(server.events()) == 10 and sum(server.counts("c").values()) == 300, "all"
    )
    assert ([], {}) == (server.refused, unsent.counts())


def test_a_metric_that_fits_nowhere_is_named(
    caplog: pytest.LogCaptureFixture, to: Transport
) -> None:
    """The others of its export go."""
    tags = tuple(f"key_{number}:{'x' * 190}" for number in range(60))
    with DogStatsDServer() as server:
        to(server.url).send([Gauge("long", 1.0, tags, 1.0), *counted(1)])
        server.wait_for(lambda: bool(server.counts("c")), "the other")
    assert {"datadog.too_long": 1} == unsent.counts()
    assert "got metric 'long' with tags of more than 8 kB" in caplog.text
    assert "Give the metric fewer or shorter attributes, or drop some with a View" in caplog.text


def test_after_the_end_nothing_is_open(server: DogStatsDServer, to: Transport) -> None:
    """Closing lets go of the socket, and a late packet opens another."""
    server.start()
    agent = to(server.url)
    agent.send(counted(1))
    agent.close(1.0)
    assert agent._channel._socket is None
    assert agent.flush(1.0)
    agent.send(counted(1))
    server.wait_for(lambda: sum(server.counts("c").values()) == 2, "both")
