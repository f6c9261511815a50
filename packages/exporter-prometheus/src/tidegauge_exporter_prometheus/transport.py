"""The listening socket: bound at once or as soon as the port is free, never fatal."""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import socketserver
import sys
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer
from tidegauge import guard

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

# A dead owner's port is taken over within 5 s.
_RETRY_S = 2.0
# How soon the accepting thread sees that it shall stop.
_POLL_S = 0.25
# A client that sends or reads nothing for so long is dropped; Prometheus itself waits 10 s.
_CLIENT_TIMEOUT_S = 10.0
# More than the scrapers of one target that may knock at the same moment.
_BACKLOG = 128

_ADVICE = {
    errno.EADDRINUSE: "Another process or reader has the port: set "
    "OTEL_EXPORTER_PROMETHEUS_PORT to a free one (0 takes any), or stop the other",
    errno.EACCES: "Ports below 1024 need a privilege: set "
    "OTEL_EXPORTER_PROMETHEUS_PORT to a higher one",
}
_OTHER_ADVICE = "Set OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine"


class Listener:
    """Serves a WSGI application on a port from daemon threads, one a connection."""

    def __init__(
        self, application: Callable[..., Any], host: str, port: int, *, retry_s: float = _RETRY_S
    ) -> None:
        self._application = application
        self._host = host
        self._port = port
        self._retry_s = retry_s
        self._server: _Server | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port that is bound, None while there is none."""
        server = self._server
        return None if server is None else int(server.server_address[1])

    def start(self) -> None:
        """Bind now if the port is free, else say so once and go on trying."""
        try:
            self._server = self._bind()
        except (OSError, UnicodeError) as error:
            number = error.errno if isinstance(error, OSError) else None
            _logger.warning(
                "The Prometheus endpoint cannot listen on %s port %d yet: %s. %s. "
                "The app is not affected; Tidegauge tries again every %g s.",
                self._host,
                self._port,
                error,
                _ADVICE.get(number or 0, _OTHER_ADVICE),
                self._retry_s,
            )
        self._thread = threading.Thread(target=self._run, name="tidegauge-prometheus", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """Stop listening and free the port; answers under way are finished by their own threads."""
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
        self.abandon()

    def abandon(self) -> None:
        """Close the socket only: a forked child has no thread that could be asked to stop.

        It must not touch the event either: its lock may have been held when the process forked.
        """
        server, self._server = self._server, None
        if server is not None:
            server.server_close()

    def _run(self) -> None:
        with guard.guarded("prometheus.listener"):
            while self._server is None:
                if self._closing.wait(self._retry_s):
                    return
                self._try_again()
            self._serve(self._server)

    def _try_again(self) -> None:
        try:
            server = self._bind()
        except (OSError, UnicodeError):
            return
        if self._closing.is_set():
            server.server_close()
            return
        self._server = server
        _logger.info("The Prometheus endpoint listens on %s port %s now.", self._host, self.port)

    def _serve(self, server: _Server) -> None:
        try:
            while not self._closing.is_set():
                server.handle_request()
        except (OSError, ValueError):
            # The socket was closed under the selector.
            if not self._closing.is_set():
                raise

    def _bind(self) -> _Server:
        family, _, _, _, address = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = _Server((str(address[0]), self._port), _Handler, family, self._closing)
        server.set_app(self._application)
        return server


class _Server(ThreadingWSGIServer):
    """prometheus_client's server, made quiet and safe to share a process with an app."""

    # On Windows this would let two processes listen on one port.
    allow_reuse_address = os.name == "posix"
    # Two processes on one port would each see half of the scrapes.
    allow_reuse_port = False
    request_queue_size = _BACKLOG
    timeout = _POLL_S

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[WSGIRequestHandler],
        family: socket.AddressFamily,
        closing: threading.Event,
    ) -> None:
        self.address_family = family
        self._closing = closing
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's full name, which may ask a slow name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; out of descriptors, wait instead of spinning."""
        try:
            return super().get_request()
        except OSError:
            self._closing.wait(_POLL_S)
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        """Say nothing: a client that goes away is its own affair; answers are guarded before."""
        _logger.debug("A client went away: %r", sys.exception())


class _Handler(WSGIRequestHandler):
    """Writes no line a request, and waits for no client for ever."""

    timeout = _CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Log nothing."""

    def get_stderr(self) -> Any:
        """Take what wsgiref prints about a client that went away while it was written to."""
        return io.StringIO()
