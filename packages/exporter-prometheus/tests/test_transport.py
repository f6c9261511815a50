"""The listener: ports that are taken, clients that are slow, closing, quiet."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tidegauge_exporter_prometheus import transport as module
from tidegauge_exporter_prometheus.transport import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegauge_exporter_prometheus import transport


def hello(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"hi"]


@pytest.fixture
def listen() -> Iterator[Any]:
    """Start listeners that are closed after the test."""
    made: list[Listener] = []

    def start(host: str = "127.0.0.1", port: int = 0, app: Any = hello) -> Listener:
        made.append(Listener(app, host, port, retry_s=0.02))
        made[-1].start()
        return made[-1]

    yield start
    for listener in made:
        listener.close()


def test_a_free_port_is_bound_at_once(listen: Any, get: Any) -> None:
    """Port 0 takes any free one, and the bound one can be read."""
    listener = listen()
    assert get(listener.port).body == b"hi"


@pytest.fixture
def no_threads() -> Iterator[None]:
    """Let no thread be had: each would need more than there is."""
    earlier = threading.stack_size(1 << 60)
    yield
    threading.stack_size(earlier)


def test_who_asks_is_answered_where_no_thread_is_to_be_had(
    listen: Any, get: Any, request: pytest.FixtureRequest
) -> None:
    """One after the other then, by the thread that listens."""
    listener = listen()
    request.getfixturevalue("no_threads")
    assert [b"hi"] * 3 == [get(listener.port).body for _ in range(3)]


@pytest.mark.usefixtures("no_threads")
def test_a_port_on_which_nobody_can_answer_is_given_back() -> None:
    """Whoever asked there would wait for ever."""
    listener = Listener(hello, "127.0.0.1", 0)
    with pytest.raises(RuntimeError):
        listener.start()
    assert listener.port is None


def test_a_taken_port_is_one_warning_and_tried_again(
    listen: Any, get: Any, wait_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The second waits for its turn and takes over when the first is gone."""
    caplog.set_level(logging.INFO)
    first = listen()
    port = first.port
    second = listen(port=port)
    assert second.port is None
    assert get(port).body == b"hi"
    wait_for(lambda: caplog.records)
    first.close()
    wait_for(lambda: second.port == port)
    assert get(port).body == b"hi"
    warning, info = caplog.records
    assert (warning.levelname, warning.getMessage()) == (
        "WARNING",
        (
            f"The Prometheus endpoint cannot listen on 127.0.0.1 port {port} yet: "
            "[Errno 98] Address already in use. Another process or reader has the port: set "
            "OTEL_EXPORTER_PROMETHEUS_PORT to a free one (0 takes any), or stop the other. "
            "The app is not affected; Tidegauge tries again every 0.02 s."
        ),
    )
    assert (info.levelname, info.getMessage()) == (
        "INFO",
        f"The Prometheus endpoint listens on 127.0.0.1 port {port} now.",
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a..b", "\ud800"])
def test_an_address_of_nowhere_is_one_warning(
    listen: Any, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A host that is not this machine's is said once; the app goes on."""
    assert listen(host=host).port is None
    assert len(caplog.records) == 1
    assert "OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine" in caplog.text
    assert caplog.text.encode()


def test_ipv6_where_the_machine_has_it(listen: Any) -> None:
    """The address decides the family of the socket."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    probe.close()
    port = listen(host="::1").port
    with socket.create_connection(("::1", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"hi")


def test_slow_and_silent_clients_do_not_block_others(listen: Any, get: Any) -> None:
    """Clients that send half a request, or nothing, wait on threads of their own."""
    port = listen().port
    silent = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(8)]
    for client in silent[:4]:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
    try:
        assert get(port).body == b"hi"
    finally:
        for client in silent:
            client.close()


def test_clients_that_never_ask_take_no_more_than_their_share(
    listen: Any, get: Any, wait_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app needs its threads and descriptors; a scrape is answered all the same."""
    monkeypatch.setattr(module, "_MOST_CONNECTIONS", 8)
    port, before = listen().port, threading.active_count()
    with ExitStack() as stack:
        for _ in range(40):
            client = socket.create_connection(("127.0.0.1", port), timeout=5)
            stack.enter_context(client).sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        wait_for(lambda: threading.active_count() - before <= 8)
        for _ in range(3):
            assert get(port).body == b"hi"


def test_answers_under_way_are_finished_before_new_clients_are_heard(
    listen: Any, wait_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes when all that is allowed is being answered is sent away, and nobody else."""
    monkeypatch.setattr(module, "_MOST_CONNECTIONS", 2)
    begun, finish = threading.Semaphore(0), threading.Event()

    def slow(environ: Any, start_response: Any) -> Iterable[bytes]:
        begun.release()
        finish.wait(20)
        return hello(environ, start_response)

    port = listen(app=slow).port
    with ExitStack() as stack:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(2)]
        for client in clients:
            stack.enter_context(client).sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert begun.acquire(timeout=20)
        late = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        assert late.recv(1) == b""
        finish.set()
        assert all(client.makefile("rb").read().endswith(b"hi") for client in clients)


def test_a_silent_client_is_dropped(
    listen: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client that says nothing does not hold a thread for ever, and nothing is printed."""
    monkeypatch.setattr(module._Handler, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", listen().port), timeout=5) as client:
        assert client.recv(1) == b""
    assert capfd.readouterr() == ("", "")


def test_a_client_that_goes_away_is_not_reported(
    listen: Any, wait_for: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Closing the connection in the middle of a large answer prints no traceback."""
    done = threading.Event()

    def large(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(200):
                yield b"x" * 100_000
        finally:
            done.set()

    with socket.create_connection(("127.0.0.1", listen(app=large).port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.recv(10)
    assert done.wait(10)
    assert capfd.readouterr() == ("", "")


def test_closing_frees_the_port(listen: Any) -> None:
    """After close() another process can have the port; closing again does nothing."""
    listener = listen()
    port = listener.port
    listener.close()
    listener.close()
    assert listener.port is None
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_closing_while_it_waits_for_its_port(listen: Any) -> None:
    """A listener that never got its port ends at once."""
    first = listen()
    second: transport.Listener = listen(port=first.port)
    second.close()
    assert second._thread is not None
    assert not second._thread.is_alive()


def test_nothing_is_left_open() -> None:
    """A closed listener leaves no socket to the garbage collector."""
    listener = Listener(hello, "127.0.0.1", 0)
    listener.start()
    listener.close()
    del listener
    gc.collect()  # an open socket would be a ResourceWarning, hence an error
