"""A listener that answers Prometheus's API with what a test gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Labels = Mapping[str, str]
#: Of an expression: its series, each with a value, or an error's text.
Answers = Callable[[str], Sequence[tuple[Labels, float]] | str]


class Listener:
    """Answers every query by ``answers``; ``rules`` are its alerting rules."""

    def __init__(self, answers: Answers, rules: Sequence[Mapping[str, Any]] = ()) -> None:
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - the listener is self
                self._rules(handler, rules)

            def do_POST(handler) -> None:  # noqa: N805 - the listener is self
                length = int(handler.headers["Content-Length"])
                fields = parse_qs(handler.rfile.read(length).decode())
                self._query(handler, answers, {key: each[0] for key, each in fields.items()})

            def log_message(handler, format: str, *words: object) -> None:  # noqa: A002, N805
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _rules(self, handler: BaseHTTPRequestHandler, rules: Sequence[Mapping[str, Any]]) -> None:
        if urlsplit(handler.path).path == "/api/v1/rules":
            self._send(handler, 200, {"groups": [{"rules": rules}]})
        else:
            self._reply(handler, 404, "no such path")

    def _query(
        self, handler: BaseHTTPRequestHandler, answers: Answers, fields: Mapping[str, str]
    ) -> None:
        self.asked.append(fields["query"])
        found = answers(fields["query"])
        if isinstance(found, str):
            refused = {"status": "error", "errorType": "bad_data", "error": found}
            self._reply(handler, 400, refused)
        elif handler.path == "/api/v1/query":
            rows = [
                {"metric": labels, "value": [float(fields["time"]), str(value)]}
                for labels, value in found
            ]
            self._send(handler, 200, {"resultType": "vector", "result": rows})
        elif handler.path == "/api/v1/query_range":
            start, end, step = (float(fields[key]) for key in ("start", "end", "step"))
            times = [start + step * number for number in range(int((end - start) / step) + 1)]
            rows = [
                {"metric": labels, "values": [[at_s, str(value)] for at_s in times[-20:]]}
                for labels, value in found
            ]
            self._send(handler, 200, {"resultType": "matrix", "result": rows})
        else:
            self._reply(handler, 404, "no such path")

    def _send(self, handler: BaseHTTPRequestHandler, status: int, data: object) -> None:
        self._reply(handler, status, {"status": "success", "data": data})

    def _reply(self, handler: BaseHTTPRequestHandler, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
