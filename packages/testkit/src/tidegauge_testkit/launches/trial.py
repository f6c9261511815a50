"""Requests sent to a launch, faults in the middle of them, and what was counted in the end."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegauge_semconv import metrics

from tidegauge_testkit.backends.process import BackendError, wait_until
from tidegauge_testkit.launches.clients import Sent
from tidegauge_testkit.launches.launchers import SETTINGS_FILE, WORKERS
from tidegauge_testkit.launches.ledger import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegauge_testkit.backends.otlp_agent import Point
    from tidegauge_testkit.launches.launch import Launch
    from tidegauge_testkit.launches.launchers import Launcher
    from tidegauge_testkit.launches.stage import Stage

_SUCCESS = {"status": "success"}
# What a process that is killed may take with it.
_LAST_S = 1.0
_SOON_S = 20.0
_LATER_S = 300.0
# Where each request brings the end of a worker nearer, a slower pace leaves time for new ones.
_UPGRADING, _UPGRADING_PER_S = 40, 15.0


@dataclass(frozen=True, slots=True)
class Killed:
    """A worker that was killed without a chance to say what it knew, and when."""

    worker: int
    time_s: float


#: What is done to a launch, given what was sent so far in this batch.
Harm: TypeAlias = "Callable[[Sent], Killed | None]"


@dataclass(slots=True)
class Trial:
    """One launch, its faults and their rows.

    Parameters
    ----------
    launch, launcher, started
        What is tried.
    stage
        What is sent to it, and where it exports deltas to.
    service
        The name under which it exports.
    """

    launch: Launch
    launcher: Launcher
    started: str
    stage: Stage
    service: str
    path: str = "/score"
    rows: list[Row] = field(default_factory=list)
    #: Workers whose counts have been seen in an earlier fault.
    known: set[int] = field(default_factory=set)
    sent: int = 0
    failed: int = 0
    may_lose: int = 0
    counted: int = 0

    # -- one fault -----------------------------------------------------------------------------

    def suffer(
        self, fault: str, *harms: Harm, requests: int | None = None, per_s: float = 100.0
    ) -> Row:
        """Send requests, do harm in the middle of them, and compare what ``/metrics`` shows.

        For each harm there are as many requests; without any there is no harm.
        """
        sent = Sent()
        may_lose = 0
        for harm in harms or (None,):
            killed = self._send(sent, harm, requests, per_s)
            if killed is not None:
                may_lose += sent.since(killed.worker, killed.time_s - _LAST_S)
        highest = self.counted + len(sent) + sent.failed
        lowest = self.counted + len(sent) - may_lose
        total = self.launch.settled(
            range(lowest, highest + 1), _SOON_S, self.stage.shown, **_SUCCESS
        )
        note = _failures(sent)
        if total is None:
            total, note = 0, "/metrics did not answer"
        row = self._row(fault, sent, total - self.counted, may_lose, note)
        self.counted = total
        self.known |= set(sent.workers())
        return row

    def _send(
        self,
        sent: Sent,
        harm: Harm | None,
        requests: int | None = None,
        per_s: float = 100.0,
    ) -> Killed | None:
        """Send half of the requests before the harm, half after it, and more meanwhile."""
        killed = None
        count = self.stage.requests if requests is None else requests
        bodies = self.stage.bodies
        if harm is None:
            with self.launch.clients(bodies, self.path, count, per_s) as clients:
                pass
        else:
            half = count // 2
            with self.launch.clients(bodies, self.path, per_s=per_s) as clients:
                clients.wait_answered(half)
                killed = harm(clients.sent)
                clients.end_after(half)
        sent.add(clients.sent)
        return killed

    def term_worker(self, sent: Sent) -> None:
        """Send SIGTERM to the worker that answered last, and wait for its end."""
        living = self.launch.members()
        worker = next(each for each in sent.workers() if each in living)
        self.launch.kill(worker, signal.SIGTERM)
        self.launch.wait_gone({worker})

    def remark(self, note: str) -> None:
        """Say more of the last row."""
        self.rows[-1] = replace(self.rows[-1], note=note)

    def replace_worker(self, sent: Sent) -> None:
        """Send SIGTERM to a worker, and wait until another one answers in its place."""
        before = self.launch.members()
        self.term_worker(sent)
        wait_until(lambda: set(sent.workers()) - before, "a new worker", _LATER_S)

    def kill_worker(self, sent: Sent) -> Killed:
        """Send SIGKILL to the worker that answered last of those that do not lead."""

        def choose() -> int | None:
            others = (self.launch.members() & self.known) - {self.launch.leader()}
            return next((each for each in sent.workers() if each in others), None)

        return self._kill(wait_until(choose, "a worker", _SOON_S))

    def kill_leader(self, _: Sent) -> Killed:
        """Send SIGKILL to the worker that leads, when an interval has just arrived.

        What a leader is sending when it is killed may go with it; that is said in the docs.
        """
        before = self.arrived()
        with_patience(lambda: self.arrived() > before, _SOON_S)
        return self._kill(wait_until(self.launch.leader, "a leader", _SOON_S))

    def _kill(self, worker: int) -> Killed:
        self.launch.kill(worker, signal.SIGKILL)
        killed = Killed(worker, time.monotonic())
        self.launch.wait_gone({worker})
        return killed

    def reload(self, sent: Sent) -> None:
        """Send SIGHUP to the first process, and wait until the workers are others.

        From then on they are replaced after some requests, where the launcher can learn that late.
        """
        old = {worker for worker in sent.workers() if worker in self.launch.members()}
        if self.launcher.settings:
            (self.launch.folder / SETTINGS_FILE).write_text(self.launcher.settings)
        self.launch.signal(signal.SIGHUP)
        self.launch.wait_gone(old, _LATER_S)

    def lose_listener(self) -> Row:
        """Send SIGKILL to the idle process that listens; see that the others go on to answer.

        The row's note says after how many seconds.
        """
        with_patience(lambda: self.arrived() >= self.counted, _SOON_S / 4)
        listener = wait_until(lambda: min(self.launch.listeners(), default=None), "it", _SOON_S)
        began = time.monotonic()
        self.launch.kill(listener, signal.SIGKILL)
        self.launch.wait_gone({listener})
        again = wait_until(
            lambda: self.launch.total(self.stage.shown, **_SUCCESS), "an answer", _SOON_S
        )
        took_s = time.monotonic() - began
        row = self._row(
            "SIGKILL of the listener", Sent(), again - self.counted, 0, f"back after {took_s:.1f} s"
        )
        self.counted = again
        return row

    # -- a second launch -----------------------------------------------------------------------

    def upgrade(self) -> tuple[Row, int]:
        """Have a second launch take over by SIGUSR2; compare what arrives at the receiver.

        Returns the row and the first process of the second launch: a group of its own, so that
        ``/metrics`` no longer shows what the first one counted.
        """
        with_patience(lambda: self.arrived() >= self.counted, _SOON_S)
        before = self.arrived()
        first = 0

        def take_over(_: Sent) -> None:
            nonlocal first
            first = self.launch.upgrade()
            old = self.launch.pid
            wait_until(
                lambda: len(self.launch.children(first)) >= WORKERS,
                "the workers of the second launch",
                _LATER_S,
            )
            os.kill(old, signal.SIGTERM)
            self.launch.wait_exit(_LATER_S)

        sent = Sent()
        self._send(sent, take_over, _UPGRADING, _UPGRADING_PER_S)
        wanted = before + len(sent)
        with_patience(lambda: self.arrived() >= wanted, _SOON_S)
        row = self._row("SIGUSR2", sent, self.arrived() - before, 0, _failures(sent))
        return row, first

    # -- the end -------------------------------------------------------------------------------

    def end(self, fault: str, first: int | None = None, *, each: bool | None = None) -> Row:
        """End the launch and compare all that was sent with all that has arrived."""
        everyone = not self.launcher.ends_itself if each is None else each
        note = ""
        try:
            self.launch.end(first or self.launch.pid, each=everyone)
        except BackendError as error:
            note = str(error)
        row = Row(
            self.launcher.name,
            self.started,
            fault,
            self.sent,
            self.failed,
            self.arrived(),
            self.may_lose,
            note,
        )
        self.rows.append(row)
        return row

    def arrived(self) -> int:
        """Return how many requests the receiver was told of."""
        return int(sum(point.value or 0 for point in self.deltas()))

    def deltas(self) -> list[Point]:
        """Return the receiver's points of the requests that were answered."""
        return [
            point
            for point in self.stage.agent.points(metrics.MODEL_REQUESTS.name)
            if point.resource["service.name"] == self.service
            and point.attributes["status"] == _SUCCESS["status"]
        ]

    def instances(self) -> int:
        """Return under how many identities the points arrived."""
        return len(self.by_instance())

    def overlaps(self) -> list[tuple[Point, Point]]:
        """Return intervals of one series that share some time: they would count it twice."""
        by_series: dict[Any, list[Point]] = {}
        for point in self.deltas():
            key = (point.resource.get("service.instance.id"), *sorted(point.attributes.items()))
            by_series.setdefault(key, []).append(point)
        return [
            (earlier, later)
            for points in by_series.values()
            for earlier, later in pairwise(points)
            if later.start_ns < earlier.time_ns
        ]

    def by_instance(self) -> dict[str, int]:
        """Return how many requests arrived under each identity."""
        counts: Counter[str] = Counter()
        for point in self.deltas():
            counts[point.resource.get("service.instance.id", "")] += int(point.value or 0)
        return dict(counts)

    # -- inside --------------------------------------------------------------------------------

    def _row(self, fault: str, sent: Sent, counted: int, may_lose: int, note: str) -> Row:
        self.sent += len(sent)
        self.failed += sent.failed
        self.may_lose += may_lose
        row = Row(
            self.launcher.name,
            self.started,
            fault,
            len(sent),
            sent.failed,
            counted,
            may_lose,
            note,
        )
        self.rows.append(row)
        return row


def with_patience(ask: Callable[[], bool], timeout_s: float) -> bool:
    """Say whether something came true in time."""
    try:
        wait_until(ask, "it", timeout_s, 0.25)
    except BackendError:
        return False
    return True


def _failures(sent: Sent) -> str:
    return ", ".join(f"{count} x {why}" for why, count in sorted(sent.failures.items()))
