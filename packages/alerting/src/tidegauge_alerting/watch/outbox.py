"""One channel's queue and thread: what hangs or fails here stops nothing else."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from tidegauge.answers import FIRST_S, backoff_s

from tidegauge_alerting.watch.notice import Notice
from tidegauge_alerting.watch.senders import Send
from tidegauge_alerting.watch.transport import DeliveryError

_logger = logging.getLogger("tidegauge.watch")

# One a group; more groups than this at a time are no news that anybody can read.
_MOST = 1000


class Outbox:
    """Sends notices in their order, each until it is taken or refused for good.

    A later notice of a group takes the place of an earlier one that has not been sent.

    Parameters
    ----------
    name
        The channel's, for the log.
    send
        Sends one notice once, or raises DeliveryError.
    changed
        Called, in any thread, when something has left the queue.
    ends
        Whether the channel is told of ends.
    first_wait_s
        How long after the first failure the second attempt comes; each next one waits twice as
        long, up to a minute, or as long as the other side asks.
    """

    def __init__(
        self,
        name: str,
        send: Send,
        changed: Callable[[], None],
        *,
        ends: bool = True,
        first_wait_s: float = FIRST_S,
        most: int = _MOST,
    ) -> None:
        self.name = name
        self._send = send
        self._changed = changed
        self._ends = ends
        self._first_wait_s = first_wait_s
        self._most = most
        self._waiting: OrderedDict[str, Notice] = OrderedDict()
        self._condition = threading.Condition()
        self._closing = False
        self._said: set[str] = set()
        #: Attempts that failed, notices that were taken, and those that were given up.
        self.failures = self.sent = self.lost = 0
        self._in_a_row = 0
        self._thread = threading.Thread(target=self._run, name=f"channel {name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Take a notice; never waits."""
        wanted = notice if self._ends else notice.without_ends()
        with self._condition:
            earlier = self._waiting.pop(notice.key, None)
            if wanted is None:
                return  # what was not sent in time is over
            self._waiting[notice.key] = wanted if earlier is None else wanted.after(earlier)
            overflow = len(self._waiting) > self._most
            if overflow:
                self._waiting.popitem(last=False)
                self.lost += 1
            self._condition.notify_all()
        if overflow:
            self._say_once(
                "full",
                "%s: got more than %d notices that cannot be sent; expected it to take them. "
                "The oldest are left out. Put the channel right.",
                self.name,
                self._most,
            )

    def waiting(self) -> list[Notice]:
        """Return what has not been taken yet."""
        with self._condition:
            return list(self._waiting.values())

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until everything was taken or given up; say whether it was."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Let a running attempt end, within a limit; what waits stays in the queue."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s = 0.0
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing, wait_s)
                self._condition.wait_for(lambda: self._closing or self._waiting)
                if self._closing:
                    return
                notice = next(iter(self._waiting.values()))
            wait_s = self._attempt(notice)

    def _attempt(self, notice: Notice) -> float:
        """Try once; return how long to wait before the next attempt."""
        try:
            self._send(notice)
        except Exception as error:
            self.failures += 1
            refusal = error if isinstance(error, DeliveryError) else None
            if refusal is not None and not refusal.again:
                self._give_up(notice, refusal)
                return 0.0
            self._in_a_row += 1
            self._say_once(
                str(refusal or type(error).__name__),
                "%s: got %s; expected it to take a notice. It is tried again; further failures are "
                "counted, not logged. Put the channel right.",
                self.name,
                str(refusal or type(error).__name__),
            )
            asked_s = refusal.after_s if refusal is not None else 0.0
            return max(backoff_s(self._in_a_row, random.random(), self._first_wait_s), asked_s)
        self.sent += 1
        self._in_a_row = 0
        if self._said:
            _logger.warning("%s: takes notices again after %d failures.", self.name, self.failures)
            self._said.clear()
        self._leave(notice)
        return 0.0

    def _give_up(self, notice: Notice, refusal: DeliveryError) -> None:
        self.lost += 1
        self._say_once(
            str(refusal),
            "%s: got %s; expected it to take a notice. Such a notice is not tried again; further "
            "ones are counted, not logged. Correct the channel's address or secret.",
            self.name,
            refusal,
            level=logging.ERROR,
        )
        self._leave(notice)

    def _leave(self, notice: Notice) -> None:
        with self._condition:
            # A later one of its group may have taken its place meanwhile, and is still to be sent.
            if self._waiting.get(notice.key) is notice:
                del self._waiting[notice.key]
            self._condition.notify_all()
        self._changed()

    def _say_once(
        self, cause: str, message: str, *arguments: object, level: int = logging.WARNING
    ) -> None:
        if cause not in self._said:
            self._said.add(cause)
            _logger.log(level, message, *arguments)


def close_all(outboxes: Iterable[Outbox], timeout_s: float) -> None:
    """Close several, all within one limit."""
    deadline_s = time.monotonic() + timeout_s
    for each in outboxes:
        each.close(max(0.0, deadline_s - time.monotonic()))
