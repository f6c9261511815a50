"""The listening socket: bound at once or as soon as the port is free, never fatal.

One process of a launch has the port and answers for all. The others try to take it over every two
seconds, so that it is soon had again when its owner dies, however that came about.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer
from tidegauge import guard

from tidegauge_exporter_prometheus.port_owner import PortOwner, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_logger = logging.getLogger(__name__)

# A dead owner's port is taken over within 5 s.
RETRY_S = 1.0
# How soon the accepting thread sees that it shall stop.
_POLL_S = 0.25
# A client that sends or reads nothing for so long is dropped; Prometheus itself waits 10 s.
_CLIENT_TIMEOUT_S = 10.0
# More than the scrapers of one target that may knock at the same moment.
_BACKLOG = 128
# Each is a thread and a descriptor of the app's: far more than scrape one target at a time.
_MOST_CONNECTIONS = 128


class Listener:
    """Serves a WSGI application on a port from daemon threads, one a connection.

    ``launch`` tells what launch this process belongs to, empty where nobody knows.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        host: str,
        port: int,
        *,
        launch: Callable[[], str] = str,
        retry_s: float | None = None,
    ) -> None:
        self._application = application
        self._host = host
        self._port = port
        self._launch = launch
        self._retry_s = RETRY_S if retry_s is None else retry_s
        self._server: _Server | None = None
        self._owner = PortOwner(host, port, launch)
        self._closing = threading.Event()
        self._abandoned = False
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port that is bound, None while there is none."""
        server = self._server
        return None if server is None else int(server.server_address[1])

    def start(self) -> None:
        """Bind now if the port is free, else go on trying."""
        self._try(ask=False)  # whose the port is will be asked without haste
        thread = threading.Thread(target=self._run, name="tidegauge-prometheus", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had: a port on which nobody answers helps nobody
            self.close()
            raise
        self._thread = thread

    def close(self, timeout_s: float = 1.0) -> None:
        """Stop listening and free the port; answers under way are finished by their own threads."""
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
        server, self._server = self._server, None
        if server is not None:
            server.server_close()

    def abandon(self) -> None:
        """Close the sockets only: a forked child has no thread that could be asked to stop.

        It must not touch the event either: its lock may have been held when the process forked.
        """
        self._abandoned = True  # where threads are greenlets, they live on in the child
        server, self._server = self._server, None
        if server is not None:
            server.abandon()

    def _run(self) -> None:
        wait_s = 0.0
        with guard.guarded("prometheus.listener"):
            while self._server is None:
                if self._closing.wait(wait_s) or self._abandoned:
                    return
                wait_s = self._retry_s
                if self._try(ask=True):
                    _logger.info(
                        "The Prometheus endpoint listens on %s port %s now.", self._host, self.port
                    )
            self._serve(self._server)

    def _try(self, *, ask: bool) -> bool:
        try:
            server = self._bind()
        except (OSError, UnicodeError) as error:
            self._owner.explain(error, self._retry_s, ask=ask)
            return False
        if self._closing.is_set():
            server.server_close()
            return False
        self._server = server
        return True

    def _serve(self, server: _Server) -> None:
        try:
            while not self._closing.is_set():
                server.handle_request()
        except (OSError, ValueError):
            # The socket was closed under the selector.
            if not (self._closing.is_set() or self._abandoned):
                raise

    def _bind(self) -> _Server:
        family, _, _, _, address = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = _Server((str(address[0]), self._port), _Handler, family, self._closing)
        server.set_app(self._signed)
        return server

    def _signed(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, and say which launch it is that answers."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, signature(self._launch())], *rest)

        answer: Iterable[bytes] = self._application(environ, start)
        return answer


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
        # The oldest first; the second are those of the first that have not asked for anything yet.
        self._connections: dict[socket.socket, None] = {}
        self._silent: dict[socket.socket, None] = {}
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's full name, which may ask a slow name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread; a fork meanwhile is to find the connection.

        Where there are too many, who has been there longest without asking for anything goes:
        clients that never do must not take the app's threads and descriptors.
        """
        if len(self._connections) >= _MOST_CONNECTIONS:
            longest = next(iter(list(self._silent)), None)
            if longest is None:
                self.shutdown_request(request)
                return
            self.heard(longest)
            self._connections.pop(longest, None)
            with suppress(OSError):  # it has just gone
                longest.shutdown(socket.SHUT_RDWR)  # its thread closes it
        self._connections[request] = self._silent[request] = None
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had: whoever asks next waits
            self.process_request_thread(request, client_address)

    def heard(self, request: Any) -> None:
        """Take note that a client has asked for something."""
        self._silent.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection."""
        self.heard(request)
        self._connections.pop(request, None)
        super().shutdown_request(request)

    def abandon(self) -> None:
        """Close what a forked child inherited, which would keep clients waiting for its end.

        By their numbers: files that belong to threads of the parent would keep them open.
        """
        for connection in (self.socket, *self._connections):
            descriptor = connection.detach()
            if descriptor >= 0:
                os.close(descriptor)

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

    def parse_request(self) -> bool:
        """Read the rest of the request."""
        whole = super().parse_request()
        self.server.heard(self.connection)  # type: ignore[attr-defined] # the server is ours
        return whole

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Log nothing."""

    def get_stderr(self) -> Any:
        """Take what wsgiref prints about a client that went away while it was written to."""
        return io.StringIO()
