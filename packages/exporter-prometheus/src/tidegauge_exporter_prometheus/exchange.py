"""What the app's own instruments count in all workers of a launch.

Each worker publishes its families; whoever is scraped merges them. A worker publishes before it
reads the others, so a total that one worker has shown is never lower in another's answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegauge import guard
from tidegauge.group import Group, Record, current

from tidegauge_exporter_prometheus import codec
from tidegauge_exporter_prometheus.aggregates import Aggregate, Collection, archive, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A worker's counts are so old at most in another's answer, and so many are lost with SIGKILL.
_TICK_S = 1.0
# Callbacks of the app may look at a database or a device: they are asked less often, and seldom
# until somebody scrapes and when nobody has for a while.
_CALLBACKS_S = 5.0
_UNREAD_CALLBACKS_S = 60.0
_FORGOTTEN_S = 300.0
# Of one core, and of the time that a callback may wait.
_CPU_SHARE = 0.01
_WALL_SHARE = 0.1

_SCRAPED = "scraped"
_INSTANCE = "service_instance_id"


class Schedule:
    """When to publish next: often enough for a scrape, and never at more than 1 % of a core."""

    def __init__(self) -> None:
        self._published_s = float("-inf")
        self._rest_s = 0.0

    def due(self, now_s: float, *, read: bool, callbacks: bool) -> bool:
        """Say whether it is time, for one whose records are read or whose app has callbacks."""
        wait_s = _TICK_S
        if callbacks:
            wait_s = _CALLBACKS_S if read else _UNREAD_CALLBACKS_S
        # Half a tick early: a tick that comes late must not cost a whole one.
        return now_s - self._published_s >= max(wait_s, self._rest_s) - _TICK_S / 2

    def published(self, now_s: float, cpu_s: float, wall_s: float) -> None:
        """Take note of what it took."""
        self._published_s = now_s
        self._rest_s = max(cpu_s / _CPU_SHARE, wall_s / _WALL_SHARE)


class Exchange:
    """One reader's part in its group.

    Parameters
    ----------
    number
        Which reader of the process it is: workers of a launch run the same code.
    collect
        Collects from the app's instruments alone; None where there is nothing to collect from.
    callbacks
        Whether the app has instruments that are asked when they are collected.
    """

    def __init__(
        self,
        number: int,
        collect: Callable[[], Collection | None],
        callbacks: Callable[[], bool],
    ) -> None:
        self._name = f"foreign.{number}"
        self._collect = collect
        self._callbacks = callbacks
        current().archive_by(self._name, archived)
        current().archive_by(_SCRAPED, nothing)
        self.reset()

    def reset(self) -> None:
        """Start anew: this is a forked child."""
        #: Held from collecting to publishing, so that what is published never goes back.
        self.turn = threading.Lock()
        self._schedule = Schedule()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._scrapes = 0
        self._seen: set[tuple[str, bytes]] = set()
        self._read_s = float("-inf")

    # -- in the background ---------------------------------------------------------------------

    def start(self) -> None:
        """Begin to publish, once a second at most; a second call does nothing."""
        group = current()
        if self._thread is None and group.launch_id and not group.helper:
            thread = threading.Thread(
                target=self._run, args=(self._stop,), name="tidegauge-exchange", daemon=True
            )
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Publish no more in the background."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(_TICK_S):
            with guard.guarded("prometheus.exchange"):
                self._tick(time.monotonic())

    def _tick(self, now_s: float) -> None:
        if not _grouped():
            return
        callbacks = self._callbacks()
        if callbacks:
            self._look(now_s)
        read = now_s - self._read_s < _FORGOTTEN_S
        if self._schedule.due(now_s, read=read, callbacks=callbacks):
            self.publish_now()

    def _look(self, now_s: float) -> None:
        """See whether anybody was scraped since the last look."""
        found = {(each.worker, each.payload) for each in current().named(_SCRAPED)}
        if not found <= self._seen:
            self._read_s = now_s
        self._seen = found

    # -- publishing and reading ----------------------------------------------------------------

    def publish_now(self, timeout_s: float = 0.0) -> None:
        """Publish what the app's instruments count, unless somebody is at it or nobody reads it."""
        if not _grouped() or not self.turn.acquire(timeout=timeout_s):
            return
        try:
            cpu_s, wall_s = time.thread_time(), time.monotonic()
            found = self._collect()
            if found is not None:
                self._publish(found)
            ended_s = time.monotonic()
            self._schedule.published(ended_s, time.thread_time() - cpu_s, ended_s - wall_s)
        finally:
            self.turn.release()

    def exchanged(self, found: Collection) -> Collection:
        """Publish what was collected here, in this process's turn; return what all workers have."""
        group = current()
        if not _grouped():
            return found
        group.takes_part = True
        self._publish(found)
        self._scrapes += 1
        group.publish(_SCRAPED, b"%d" % self._scrapes)
        if not group.active:
            return found
        records = sorted(group.named(self._name), key=lambda record: record.worker)
        snapshots = list(decoded(records))
        parts = (
            (record.worker.partition("-")[0], _shown(record, snapshot.aggregates))
            for record, snapshot in snapshots
        )
        living = [snapshot.target for record, snapshot in snapshots if record.living]
        target = codec.common_target(living or [found.target])
        if target is not None and any(
            _INSTANCE in (each or {}) for each in (*living, found.target)
        ):
            target[_INSTANCE] = group.instance_id
        return replace(found, target=target, others=tuple(merge(parts)))

    def _publish(self, found: Collection) -> None:
        group = current()
        if found.others:
            group.takes_part = True
        group.publish(self._name, codec.encode(codec.Snapshot(found.target, found.others)))


def _grouped() -> bool:
    """Whether there are others, or will be."""
    group: Group = current()
    return group.launch.child or group.active


def decoded(records: Iterable[Record]) -> Iterator[tuple[Record, codec.Snapshot]]:
    """Yield records with what they say; those of another release are left out."""
    for record in records:
        snapshot = _snapshot(record.payload)
        if snapshot is not None:
            yield record, snapshot


def _snapshot(payload: bytes) -> codec.Snapshot | None:
    try:
        return codec.decode(payload)
    except (ValueError, TypeError, LookupError) as error:
        guard.once(
            "prometheus.release",
            "A worker of another release of Tidegauge serves beside this one: the app's own "
            "instruments are counted without it. Restart the workers.",
            error=error,
        )
        return None


def _shown(record: Record, aggregates: Iterable[Aggregate]) -> Iterable[Aggregate]:
    """Return what is shown of a worker: of a dead one what it counted, not what it was like."""
    return aggregates if record.living else [each for each in aggregates if each.lasts]


def archived(payloads: list[bytes]) -> bytes:
    """Add up what ended workers have counted; also where this process has no reader itself."""
    snapshots = [codec.decode(payload) for payload in payloads]
    return codec.encode(codec.Snapshot(None, tuple(archive(s.aggregates for s in snapshots))))


def nothing(payloads: list[bytes]) -> bytes:  # noqa: ARG001 - the signature of merges
    """Forget that ended workers were scraped."""
    return b""
