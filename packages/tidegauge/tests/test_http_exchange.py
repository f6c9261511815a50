"""One request and its answer: bounded, without redirects, without the secret."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tidegauge.http_exchange import Exchange

HIDDEN = "k3y"


class Echo(BaseHTTPRequestHandler):
    """Answers with the status of the path and what it got."""

    def do_PUT(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path[1:]), f"no {self.headers['X-Key']}")
        self.send_header("Location", "/200")
        self.end_headers()
        self.wfile.write(b" ".join((self.headers["X-Key"].encode(), body)))

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Serve on loopback."""
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 307, 404, 503])
def test_each_status_is_an_answer(url: str, status: int) -> None:
    """Redirects too; the text is cut, and the secret is not in it."""
    answer = Exchange(50.0, HIDDEN).send("PUT", f"{url}/{status}", b"x" * 900, {"X-Key": HIDDEN})
    assert (status, "no (hidden)") == (answer.status, answer.reason)
    assert "(hidden) " + "x" * 191 == answer.said


def test_without_a_secret_nothing_is_hidden(url: str) -> None:
    """The text is as it came."""
    answer = Exchange(50.0).send("PUT", f"{url}/200", b"x", {"X-Key": "k"})
    assert "k x" == answer.said


def test_what_a_server_says_is_one_line(url: str) -> None:
    """In the log it could pass for another, and a terminal would obey it."""
    answer = Exchange(50.0).send("PUT", f"{url}/404", b"no\r\nERROR \x1b[2Jforged", {"X-Key": "\t"})
    assert "no  ERROR  [2Jforged" == answer.said
    assert "\x1b" not in Exchange(50.0).send("PUT", f"{url}/404", b"", {"X-Key": "\x1b"}).reason


def test_nobody_there_is_an_error(url: str) -> None:
    """For whoever calls to read."""
    with pytest.raises(OSError, match="refused"):
        Exchange(50.0).send("PUT", "http://127.0.0.1:1/", b"", {})


def test_the_app_debugs_its_own_requests(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours stay out of what it prints."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    Exchange(50.0, HIDDEN).send("PUT", f"{url}/200", b"", {"X-Key": HIDDEN})
    assert "" == capsys.readouterr().out
