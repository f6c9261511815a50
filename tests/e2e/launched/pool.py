"""A scoring service by hand: HTTP in one process, models in others that take from queues.

``pool.py METHOD PORT WORKERS``
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import queue
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POLL_S = 0.1
LIMIT_S = 15


def work(tasks: Any, results: Any) -> None:
    """Score until there is nothing more to come."""
    from scoring import score

    for body in iter(tasks.get, None):
        results.put(score(body))


class Worker:
    """A process and its queues: one that dies must not keep a lock that others need."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.start()

    def start(self) -> None:
        """Start the process."""
        self.tasks, self.results = self._context.Queue(), self._context.Queue()
        self.process = self._context.Process(target=work, args=(self.tasks, self.results))
        self.process.start()

    def ask(self, body: Any) -> Any:
        """Return the scores, None where the process died over them."""
        if not self.process.is_alive():
            self.start()
        self.tasks.put(body)
        while self.process.is_alive():
            with contextlib.suppress(queue.Empty):
                return self.results.get(timeout=POLL_S)
        return None

    def end(self) -> None:
        """Let the process finish."""
        self.tasks.put(None)
        self.process.join(LIMIT_S)


class Server(ThreadingHTTPServer):
    """Hands each request to a worker that has none."""

    daemon_threads = True
    request_queue_size = 128
    idle: queue.Queue[Worker]


class Handler(BaseHTTPRequestHandler):
    """``POST /score``."""

    server: Server

    def do_GET(self) -> None:
        """Say that the service is there."""
        self.reply(404, {})

    def do_POST(self) -> None:
        """Score rows."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        worker = self.server.idle.get()
        try:
            answer = worker.ask(body)
        finally:
            self.server.idle.put(worker)
        self.reply(503 if answer is None else 200, answer)

    def reply(self, status: int, answer: Any) -> None:
        """Send an answer."""
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, *args: Any) -> None:
        """Log nothing."""


def main() -> None:
    """Serve until SIGTERM, then let the workers finish."""
    method, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    context = multiprocessing.get_context(method)
    workers = [Worker(context) for _ in range(count)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with Server(("127.0.0.1", port), Handler) as server:
        server.idle = queue.Queue()
        for worker in workers:
            server.idle.put(worker)
        try:
            server.serve_forever()
        finally:
            for worker in workers:
                worker.end()


if __name__ == "__main__":
    main()
