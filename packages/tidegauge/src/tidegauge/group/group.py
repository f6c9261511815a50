"""The group of this process: who leads it, what is kept for all, and how it ends.

A process that is alone writes nothing. A child of a launch joins with its first prediction and
makes the folder; the launcher looks for it once a second. Nothing here raises into its callers: a
process that cannot join is alone, and says so once.
"""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable
from pathlib import Path

from tidegauge.group import folder as folders
from tidegauge.group import members
from tidegauge.group.archive import Merge, Merges
from tidegauge.group.folder import Layout
from tidegauge.group.launch import Launch, lives
from tidegauge.group.leader import Leadership
from tidegauge.group.members import ATTACHED, LEAVING, Membership, Record
from tidegauge.group.participant import Participant
from tidegauge.group.records import read
from tidegauge.guard import guarded, once

_INSTANCE = "instance"

# The launcher joins at its next tick, one second after the folder is there.
_LAUNCHER_FIRST_S = 3.0
# Who led when the files were removed knows what readers were told, and has it at its next tick.
_LEADER_FIRST_S = 3.0
# Whoever still ticks so long after its exit protocol has not ended.
_SPARED_S = 10.0


class Group(Participant):
    """What a process knows of its group, and its part in leading it."""

    def __init__(self, launch: Launch | None = None, base: Path | None = None) -> None:
        #: Whether there is a reader to export to: others never lead.
        self.attached = False
        #: The ``service.instance.id`` of this process's own resource, if it has one.
        self.own_instance_id = ""
        self._merges = Merges()
        super().__init__(launch, base)

    def _forget(self) -> None:
        super()._forget()
        self._leadership: Leadership | None = None
        self._left_s: float | None = None
        self._instance_id = ""
        self._kept_at: tuple[int, int] | None = None
        self._lead_at_s = 0.0

    def inherit(self) -> None:
        """Be a forked child: of the same launch, but no member, and with none of its locks."""
        self.own_instance_id = ""
        super().inherit()

    def _contend(self, layout: Layout) -> None:
        self._leadership = Leadership(self._descriptors, layout, self._entrance.unwritten)

    # -- who -----------------------------------------------------------------------------------

    @property
    def leads(self) -> bool:
        """Whether this process evaluates and exports for all."""
        leadership = self._leadership
        return leadership is not None and leadership.held and (self.attached or not self.member)

    @property
    def instance_id(self) -> str:
        """The ``service.instance.id`` of the group, whoever leads it."""
        if not self._instance_id:
            kept = self.kept(_INSTANCE)
            if kept is None:
                return self.launch.instance_id()
            self._instance_id = kept.decode()
        return self._instance_id

    # -- once a second -------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Join, contest the leadership, archive the dead; ``now_s`` is of a clock without jumps."""
        with guarded("group.tick"):
            self._enter()
            left: set[str] = set()
            with self._held() as held:
                membership, leadership = self._membership, self._leadership
                if held and membership is not None and leadership is not None:
                    left = self._tick(now_s, membership, leadership)
            self._merges.learn(left)  # imports, perhaps: without the lock

    def _tick(self, now_s: float, membership: Membership, leadership: Leadership) -> set[str]:
        """Do what is due; return the names of records that dead processes have left."""
        left: set[str] = set()
        if not membership.intact():
            self._start_over(leadership)
            return left
        if self._left_s is not None:
            if time.monotonic() < self._left_s + _SPARED_S:
                return left
            self._left_s = None
            membership.unmark(LEAVING)
        if self.attached:
            membership.mark(ATTACHED)
            if not self._another_may_come(leadership) and self._lead(leadership, 0.0):
                left = leadership.clear(self._merges.known, now_s)
        elif leadership.take():  # nobody leads: without a reader it may still clear up
            left = leadership.clear(self._merges.known, now_s)
            leadership.release()
        return left

    def _start_over(self, leadership: Leadership) -> None:
        """Somebody has removed this process's place: take another one at the next tick."""
        once(
            "group.removed",
            "The group's files were removed while its processes run: what ended workers had "
            "counted is lost, the others go on. See who clears %s.",
            self._entrance.base,
            level=logging.ERROR,
        )
        if not leadership.held:
            self._lead_at_s = time.monotonic() + _LEADER_FIRST_S
        leadership.release()
        self._membership = self._leadership = self._kept_at = None
        self._join_at_s = 0.0

    def _another_may_come(self, leadership: Leadership) -> bool:
        """Say whether to leave the leadership to who knows more."""
        before, self._kept_at = self._kept_at, leadership.place()
        if before not in (None, self._kept_at) and not leadership.held:
            self._lead_at_s = time.monotonic() + _LEADER_FIRST_S
        return time.monotonic() < self._lead_at_s or self._launcher_may_come()

    def _launcher_may_come(self) -> bool:
        """Say whether to leave the leadership to a launcher whose windows began before ours.

        Since the group began, not since this process joined: workers may all be shorter-lived.
        """
        if not self.launch.child or time.monotonic() >= self._began_s + _LAUNCHER_FIRST_S:
            return False
        launcher = (self.launch.launcher_pid, self.launch.launcher_start)
        return lives(*launcher) and self.kept(_INSTANCE) is None

    def _lead(self, leadership: Leadership, timeout_s: float) -> bool:
        if not leadership.take(timeout_s):
            return False
        if self.surely_kept(_INSTANCE) is None:
            if not (self._instance_id or self.launch.child):
                # The series that it has begun alone go on.
                self._instance_id = self.own_instance_id
            self._instance_id = self.instance_id
            leadership.keep(_INSTANCE, self._instance_id.encode())
        return True

    # -- what the leader keeps -----------------------------------------------------------------

    def drop(self, record: Record) -> None:
        """Remove a record of a dead process that the leader has used up."""
        with guarded("group.drop"), self._held() as held:
            if held and self.leads and self._leadership is not None:
                self._leadership.drop(record)

    def keep(self, name: str, payload: bytes) -> bool:
        """Write a record of the whole group, which only the leader does; say whether it worked."""
        with guarded("group.keep"), self._held() as held:
            if held and self.leads and self._leadership is not None:
                return self._leadership.keep(name, payload)
        return False

    def kept(self, name: str) -> bytes | None:
        """Return a record of the whole group; None where it cannot be read now."""
        payload = None
        with guarded("group.kept"):
            payload = self.surely_kept(name)
        return payload  # noqa: RET504 - the guard may have ended the assignment

    def surely_kept(self, name: str) -> bytes | None:
        """Return a record as ``kept`` does, for who must not take an unread one for none.

        Raises
        ------
        OSError
            It cannot be read now: this process has too many open files, for one.
        """
        layout = self._layout or self._enter()
        content = None if layout is None else read(members.record_path(layout.kept, name))
        return None if content is None else content.payload

    def archive_by(self, name: str, merge: Merge) -> None:
        """Say how the records of this name are merged when processes die."""
        self._merges.known[name] = merge

    # -- the end -------------------------------------------------------------------------------

    def leave(self, timeout_s: float, export: Callable[[], None]) -> None:
        """End: whoever is the last to go exports once for all; the others need not.

        What this process has counted is published before.
        """
        with guarded("group.leave"):
            deadline = time.monotonic() + timeout_s
            layout = self._enter()
            if layout is None:
                export()
                return
            last = False
            with self._held(timeout_s) as held:
                leadership = self._leadership or Leadership(
                    self._descriptors, layout, self._entrance.unwritten
                )
                if held:
                    self._layout, self._leadership = layout, leadership
                    last = self._is_last(layout, leadership, deadline)
            try:
                if last:
                    export()
            finally:
                leadership.release()

    def _is_last(self, layout: Layout, leadership: Leadership, deadline: float) -> bool:
        """Say that this process goes; lead if nobody else will."""
        self._left_s = time.monotonic()
        rest_s = max(0.0, deadline - time.monotonic())
        if self._membership is not None:
            try:
                self._membership.mark(LEAVING)
            except OSError as error:
                # Others could not say so either: who waits for them to export would wait in vain.
                self._entrance.unwritten(LEAVING, error)
                return self._lead(leadership, rest_s)
        others = [
            layout.workers / worker for worker in folders.living(layout) if worker != self.worker
        ]
        if any(
            members.is_marked(place, ATTACHED) and not members.is_marked(place, LEAVING)
            for place in others
        ):
            return False
        return self._lead(leadership, rest_s)

    def clean_up(self) -> None:
        """Remove what no process needs any more: a launcher that did not predict itself ends.

        One that did leaves it to the next launch: what is exported after this must not be less than
        what was exported before.
        """
        with guarded("group.clean_up"):
            if self.launch.child or self.predicts or not self.launch.identity:
                return
            layout = self._entrance.find(self.launch)
            if layout is not None and set(folders.living(layout)) <= {self.worker}:
                folders.remove(layout.root)


_current = Group()
atexit.register(_current.clean_up)


def current() -> Group:
    """Return the group of this process."""
    return _current
