"""A DogStatsD server on a real socket, that refuses what Datadog would not take."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tidegauge_testkit.backends.dogstatsd_grammar import Event, Metric, RefusedError, read
from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

Tags = tuple[str, ...]

_RECEIVE_BUFFER_BYTES = 4 << 20
_PATIENCE_S = 30.0
# The ratio of two neighbouring buckets of the sketches that the Agent sends on.
_SKETCH_RATIO = 1 + 1 / 64


class DogStatsDServer:
    """Listens on a UDP port, or on a Unix socket of datagrams or of a stream.

    Parameters
    ----------
    scheme : str
        ``udp``, ``unix`` (datagrams) or ``unixstream``.
    folder : Path, optional
        Where the Unix socket is.
    port : int, optional
        The UDP port; by default a free one.
    reads : bool
        Whether it reads; a stopped Agent has a socket and does not.
    """

    def __init__(
        self,
        scheme: str = "udp",
        folder: Path | None = None,
        *,
        port: int = 0,
        reads: bool = True,
    ) -> None:
        self._scheme = scheme
        self._path = "" if folder is None else str(folder / "dsd.socket")
        self._port = port or free_port()
        self._reads = reads
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        #: Packets as they came, and why some were refused.
        self.packets: list[bytes] = []
        self.refused: list[str] = []
        self._said: list[Metric | Event] = []

    @property
    def url(self) -> str:
        """Its address, for ``DD_DOGSTATSD_URL``."""
        if self._scheme == "udp":
            return f"udp://{LOOPBACK}:{self._port}"
        return f"{self._scheme}://{self._path}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, also after a stop."""
        if self._scheme == "udp":
            bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            bound.bind((LOOPBACK, self._port))
        else:
            stream = self._scheme == "unixstream"
            bound = socket.socket(
                socket.AF_UNIX, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
            )
            bound.bind(self._path)
            if stream:
                bound.listen()
        self._open.append(bound)
        if self._reads:
            self.read_on()

    def read_on(self) -> None:
        """Begin to read, where it did not."""
        (bound,) = self._open
        self._run(self._accept if self._scheme == "unixstream" else self._receive, bound)

    def stop(self) -> None:
        """Stop listening; what came before is still known."""
        for each in self._open:
            # Wakes whoever waits in it; a socket of datagrams says that it is not connected.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        for each in self._open:
            each.close()
        self._open.clear()
        self._threads.clear()
        if self._path:
            Path(self._path).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget what came."""
        with self._lock:
            self.packets.clear()
            self.refused.clear()
            self._said.clear()

    def metrics(self, name: str | None = None) -> list[Metric]:
        """Return the lines that came (of one metric), in their order."""
        with self._lock:
            found = [each for each in self._said if isinstance(each, Metric)]
        return [metric for metric in found if name in (None, metric.name)]

    def events(self) -> list[Event]:
        """Return the events that came."""
        with self._lock:
            return [each for each in self._said if isinstance(each, Event)]

    def counts(self, name: str) -> dict[Tags, float]:
        """Return a counter's sums by their sorted tags."""
        sums: defaultdict[Tags, float] = defaultdict(float)
        for metric in self.metrics(name):
            sums[tuple(sorted(metric.tags))] += sum(metric.values) * metric.weight
        return dict(sums)

    def gauges(self, name: str) -> dict[Tags, float]:
        """Return a gauge's last values by their sorted tags."""
        return {tuple(sorted(m.tags)): m.values[-1] for m in self.metrics(name)}

    def seen(self, name: str) -> dict[Tags, Counter[float]]:
        """Return how often each value of a distribution was seen, by its sorted tags."""
        found: defaultdict[Tags, Counter[float]] = defaultdict(Counter)
        for metric in self.metrics(name):
            for value in metric.values:
                found[tuple(sorted(metric.tags))][value] += metric.weight
        return dict(found)

    def wait_for(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until something has come."""
        wait_until(ready, what, _PATIENCE_S)

    def _run(self, work: Callable[[socket.socket], None], on: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(on,), name="dogstatsd", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _receive(self, bound: socket.socket) -> None:
        while True:
            try:
                packet = bound.recv(65536)
            except OSError:
                return
            if not packet:
                return  # it is shut down
            self._take(packet)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self._run(self._read_frames, connection)

    def _read_frames(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack("<I", _exactly(connection, 4))
                self._take(_exactly(connection, length))

    def _take(self, packet: bytes) -> None:
        try:
            said, refused = read(packet, time.time()), None
        except RefusedError as error:
            said, refused = [], str(error)
        with self._lock:
            self.packets.append(packet)
            self._said += said
            if refused is not None:
                self.refused.append(refused)


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def quantile(seen: Counter[float], q: float) -> float:
    """Return a quantile of what was seen, as Datadog knows it: from buckets of 1.6 %."""
    sketch: Counter[int] = Counter()
    for value, count in seen.items():
        sketch[round(math.log(value) / math.log(_SKETCH_RATIO))] += count
    rank = q * (sketch.total() - 1)
    below = 0
    for key in sorted(sketch):
        below += sketch[key]
        if below > rank:
            return _SKETCH_RATIO**key
    raise ValueError("nothing was seen")


def total_bytes(packets: Iterable[bytes]) -> int:
    """Return how much packets weigh together."""
    return sum(map(len, packets))
