"""A local HTTP server in the place of somebody else's: it answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tidegauge_testkit.backends.ports import LOOPBACK

_LIMIT_S = 60.0
_POLL_S = 0.02
_PIECES = 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``at_s`` is the monotonic clock."""

    at_s: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    ``hangs``: none comes before the server stops. ``drops``: none comes, the connection ends.
    ``slow_s``: it takes so long, in small pieces.
    """

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"status":"ok"}'
    hangs: bool = False
    drops: bool = False
    slow_s: float = 0.0


class LoopbackServer:
    """A server on a free port of loopback, in threads of this process.

    ``answer`` is called with each request, in any thread. Leaving the context ends what hangs.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self._stopped = threading.Event()
        stopped = self._stopped

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                now_s = time.monotonic()
                reply = answer(Request(now_s, self.command, self.path, dict(self.headers), body))
                if reply.hangs or reply.drops:
                    stopped.wait(_LIMIT_S if reply.hangs else 0.0)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self._write(reply)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names

            def _write(self, reply: Reply) -> None:
                if not reply.slow_s:
                    self.wfile.write(reply.body)
                    return
                size = max(1, len(reply.body) // _PIECES)
                for start in range(0, len(reply.body), size):
                    self.wfile.write(reply.body[start : start + size])
                    if stopped.wait(reply.slow_s / _PIECES):
                        return

            def log_message(self, *arguments: object) -> None:
                """Say nothing: what came is kept."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, address: Any) -> None:
                """Say nothing: who does not wait for the answer goes, and that is tested."""

        self._server = Server((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
