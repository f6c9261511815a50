"""What answers in place of a Prometheus is said in one line, whatever it answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from tidegauge_alerting.prometheus_api import PrometheusApi, ServerError

LIMIT_S = 20.0
OK, ERROR = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 no\r\n"
DEEP = b"[" * 100_000


def sized(body: bytes) -> bytes:
    """Return a body with the header that says how long it is."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Return the address of a server that gives one answer, and then ends the connection."""
    with ExitStack() as stack:

        def serve(answer: bytes) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server.settimeout(LIMIT_S)

            def run() -> None:
                client, _ = server.accept()
                with client, suppress(OSError):  # whoever asks may go before it is read
                    client.settimeout(LIMIT_S)
                    client.recv(65_536)
                    client.sendall(answer)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(1)  # until it is read

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(thread.join)
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield serve


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "got no answer"),
        (OK + b"a: b\r\n" * 200 + b"\r\n", "got no answer"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nno number", "got no answer"),
        (OK + sized(DEEP), "got an answer that is none of its API"),
        (ERROR + sized(DEEP), "got HTTP 500"),
        (ERROR + b"Transfer-Encoding: chunked\r\n\r\nno number", "got HTTP 500"),
    ],
)
def test_whatever_answers_is_an_error_that_says_so(
    answering: Callable[[bytes], str], answer: bytes, said: str
) -> None:
    """No traceback: an address that was typed wrong leads to any program."""
    url = answering(answer)
    with pytest.raises(ServerError) as caught:
        PrometheusApi(url, timeout_s=LIMIT_S).alert_rules()
    assert str(caught.value).startswith(f"Prometheus at {url}: {said}")
