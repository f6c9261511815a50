"""One round after the other: scrape, judge, say what is due, keep the state."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from tidegauge_alerting.definitions import AlertDefinition, by_name
from tidegauge_alerting.watch import judge
from tidegauge_alerting.watch.alerts import Active, Alerts, Change
from tidegauge_alerting.watch.history import History
from tidegauge_alerting.watch.inhibition import Inhibition
from tidegauge_alerting.watch.notice import Notice, from_json, to_json
from tidegauge_alerting.watch.outbox import Outbox, close_all
from tidegauge_alerting.watch.register import Register, labels_from
from tidegauge_alerting.watch.scrape import Scraper, Target
from tidegauge_alerting.watch.state_file import StateError, StateFiles

T = TypeVar("T")

#: A notice, and the names of the channels that it goes to.
Due: TypeAlias = tuple[Notice, tuple[str, ...]]

_logger = logging.getLogger("tidegauge.watch")

# Samples are many; what a killed watcher loses of them is a gap of at most this in its windows.
_HISTORY_EVERY_S = 60.0


class Watcher:
    """Judges alerts on targets and hands what is due to the channels' outboxes.

    Parameters
    ----------
    definitions
        The alerts; those that cannot be judged from scrapes are left out.
    targets
        What is read.
    outboxes
        By channel name.
    channels_of
        Returns the names of the channels of an alert.
    timeout_s
        How long one scrape may take.
    files
        Where the state is kept; None keeps none.
    say
        Shows one change, as a line for people.
    """

    def __init__(
        self,
        definitions: Sequence[AlertDefinition],
        targets: Sequence[Target],
        outboxes: Mapping[str, Outbox],
        channels_of: Callable[[AlertDefinition], tuple[str, ...]],
        *,
        timeout_s: float,
        files: StateFiles | None,
        say: Callable[[Change | Notice], None],
    ) -> None:
        self._definitions = by_name([each for each in definitions if judge.can_judge(each)])
        self.history = History(judge.reads(self._definitions.values()))
        self.scraper = Scraper(targets, self.history.names, timeout_s)
        self.alerts = Alerts()
        self._register = Register(channels_of)
        self._inhibition = Inhibition(self._definitions.values())
        self._outboxes = outboxes
        self._files = files
        self._say = say
        self._lock = threading.Lock()
        self._faults: set[str] = set()
        self._history_saved_s = 0.0

    def restore(self, now_s: float) -> None:
        """Go on where an earlier process stopped."""
        if self._files is None:
            return
        self._files.load_history(self.history, now_s)
        found = self._files.load()
        try:
            active = [_active(each, now_s) for each in found.get("alerts", ())]
            waiting = {
                name: [from_json(each) for each in notices]
                for name, notices in found.get("waiting", {}).items()
            }
            self._register.restore(found.get("groups", ()))
        except (TypeError, ValueError, KeyError):
            self._register.groups.clear()
            self._files.put_aside()
            return
        self.alerts.active = {(each.name, each.labels): each for each in active}
        for name, notices in waiting.items():
            for notice in notices:
                self._put(notice, (name,))

    def round(self, at_s: float) -> None:
        """Scrape once and judge what was found."""
        scraped = self.scraper.scrape()
        self.history.begin(at_s)
        for target, samples in scraped.items():
            self.history.add(at_s, target.labels, samples)
        self.judge(at_s)

    def judge(self, at_s: float) -> None:
        """Judge what is known at a time, and say what is due."""
        with self._lock:
            changes = list(self.alerts.leave_out(frozenset(self._definitions), at_s))
            for definition in self._definitions.values():
                changes += self._judge_one(definition, at_s)
            for change in changes:
                if not change.fires:
                    self._register.end(change)
                self._say(change)
            inhibited = self._inhibition.inhibited(self.alerts.firing())
            due = list(self._register.due(at_s, inhibited))
            self.history.forget(at_s)
            for notice, _ in due:
                self._say(notice)
            # Written down before it may be sent: a watcher that is killed now sends it later.
            self._write(due)
            for notice, names in due:
                self._put(notice, names)
            if at_s - self._history_saved_s >= _HISTORY_EVERY_S:
                self._write_history(at_s)

    def not_yet_judged(self, at_s: float) -> list[str]:
        """Return the alerts whose window the history does not fill yet."""
        return [
            name
            for name, each in self._definitions.items()
            if not self.history.covers(judge.window_s(each), at_s)
        ]

    def save(self) -> None:
        """Write down what must survive a restart; what cannot be written is said once."""
        with self._lock:
            self._write(())

    def close(self, at_s: float, timeout_s: float) -> None:
        """Let running attempts end, within a limit, and keep what is left."""
        close_all(self._outboxes.values(), timeout_s)
        with self._lock:
            self._write(())
            self._write_history(at_s)

    def _judge_one(self, definition: AlertDefinition, at_s: float) -> Collection[Change]:
        name = definition.name
        try:
            firing = [each.labels for each in self.alerts.firing(name)]
            holds = judge.judge(definition, self.history, at_s, firing)
            covered = self.history.covers(judge.window_s(definition), at_s)
            changes = list(self.alerts.step(definition, holds, at_s, covered=covered))
            for each in self.alerts.firing(name):
                self._register.begin(definition, each)
        except Exception as error:
            _logger.debug("%s", name, exc_info=error)
            self._fault(
                name,
                "%s: got %s while it was judged; expected none. It stays as it is; the other "
                "alerts are judged. Report this.",
                name,
                type(error).__name__,
            )
            return ()
        return changes

    def _put(self, notice: Notice, names: Sequence[str]) -> None:
        for name in names:
            outbox = self._outboxes.get(name)
            if outbox is not None:
                outbox.put(notice)

    def _write(self, due: Sequence[Due]) -> None:
        if self._files is not None:
            self._try_to_write(self._files.save, self._state(due))

    def _write_history(self, at_s: float) -> None:
        self._history_saved_s = at_s
        if self._files is not None:
            self._try_to_write(self._files.save_history, self.history)

    def _try_to_write(self, write: Callable[[T], None], content: T) -> None:
        try:
            write(content)
        except StateError as error:
            self._fault("state", "%s What fires is said again after a restart.", error)

    def _state(self, due: Sequence[Due]) -> dict[str, Any]:
        return {
            "alerts": [
                {
                    "name": each.name,
                    "labels": each.labels,
                    "since_s": each.since_s,
                    "fires_s": each.fires_s,
                    "value": each.value,
                }
                for each in self.alerts.active.values()
            ],
            "groups": self._register.to_json(),
            "waiting": {
                name: [
                    *map(to_json, outbox.waiting()),
                    *(to_json(notice) for notice, names in due if name in names),
                ]
                for name, outbox in self._outboxes.items()
            },
        }

    def _fault(self, cause: str, message: str, *arguments: object) -> None:
        if cause not in self._faults:
            self._faults.add(cause)
            _logger.error(message, *arguments)


def _active(found: Mapping[str, Any], now_s: float) -> Active:
    fires_s = found["fires_s"]
    return Active(
        str(found["name"]),
        labels_from(found["labels"]),
        # A clock that was set back must not make an alert wait for the future.
        min(float(found["since_s"]), now_s),
        float(found["value"]),
        None if fires_s is None else min(float(fires_s), now_s),
        restored=True,
    )
