"""A process's place in its group: joining, and the records that all of them share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegauge.group import folder as folders
from tidegauge.group import locks, members
from tidegauge.group.archive import read_all
from tidegauge.group.entrance import Entrance
from tidegauge.group.folder import Layout
from tidegauge.group.launch import OWNER_VARIABLE, Launch, detect, look
from tidegauge.group.members import Membership, Names, Record
from tidegauge.guard import guarded
from tidegauge.settings import environment, hand_down

_JOIN_AGAIN_S = 10.0
_LOCK_TIMEOUT_S = 1.0


class Participant:
    """What a process has in common with the others of its launch."""

    def __init__(self, launch: Launch | None = None, base: Path | None = None) -> None:
        self.launch = Launch() if launch is None else launch
        if launch is None:
            with guarded("group.launch"):
                self.launch = detect(environment())
        self._entrance = Entrance(base)
        #: Whether a prediction was recorded here: others join only to take part.
        self.predicts = False
        #: Whether there is something else to share: the app's own instruments, a scrape.
        self.takes_part = False
        self._descriptors = locks.Descriptors()
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._membership: Membership | None = None
        self._join_at_s = 0.0
        self._began_s = 0.0

    def inherit(self) -> None:
        """Be a forked child: of the same launch, but no member, and with none of its locks."""
        self._descriptors.abandon()
        self.launch = self.launch.inherited()
        self.predicts = self.takes_part = False
        self._forget()

    # -- who -----------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether this process is a member, or can read a group that exists."""
        layout = None
        with guarded("group.active"):
            layout = self._enter()
        return layout is not None

    @property
    def member(self) -> bool:
        """Whether this process has a place in its group."""
        return self._membership is not None

    @property
    def helper(self) -> bool:
        """Whether multiprocessing keeps this process for itself: it serves nothing."""
        return self.launch.helper

    @property
    def launch_id(self) -> str:
        """Twelve hexadecimal digits; empty where the system does not tell launches apart."""
        return self.launch.identity

    @property
    def worker(self) -> str:
        """The name of this process among the group's; empty where it is no member."""
        membership = self._membership
        return "" if membership is None else membership.worker

    # -- joining -------------------------------------------------------------------------------

    def _enter(self) -> Layout | None:
        """Join if it is time; return the folder if it can be read."""
        if self._membership is not None:
            return self._layout
        if not (locks.AVAILABLE and self.launch.identity) or self.launch.helper:
            return None
        with self._entrance.explained():
            found = self._entrance.find(self.launch)
            if not (self.predicts or self.takes_part):
                return found
            if found is not None or self.launch.child:
                with self._held() as held:
                    if held and self._membership is None and time.monotonic() >= self._join_at_s:
                        self._join_at_s = time.monotonic() + _JOIN_AGAIN_S
                        self._join()
        return None if self._membership is None else self._layout

    def _join(self) -> None:
        layout = self._entrance.make(self.launch)
        membership = Membership(self._descriptors, layout.workers)
        self._descriptors.share(layout.root)
        self._contend(layout)
        self._layout, self._membership = layout, membership
        self._began_s = time.monotonic() - folders.age_s(layout)
        me = look(os.getpid())
        if me is not None and not self._entrance.given:
            hand_down(OWNER_VARIABLE, self.launch.owner(me))
        self._entrance.sweep(self.launch)

    @contextmanager
    def _held(self, timeout_s: float | None = None) -> Iterator[bool]:
        held = self._lock.acquire(timeout=_LOCK_TIMEOUT_S if timeout_s is None else timeout_s)
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    def _contend(self, layout: Layout) -> None:
        """Make ready to lead the group whose folder this is."""

    # -- records -------------------------------------------------------------------------------

    def publish(self, name: str, payload: bytes) -> bool:
        """Write a record of this process, and say whether that worked; the last write counts.

        Where two threads publish the same name, they put themselves in order.
        """
        written = False
        with guarded("group.publish"):
            self._enter()
            with self._held() as held:
                if held and self._membership is not None:
                    try:
                        self._membership.publish(name, payload)
                        written = True
                    except OSError as error:
                        self._entrance.unwritten(name, error)
        return written

    def withdraw(self, name: str) -> None:
        """Remove a record of this process."""
        with guarded("group.withdraw"), self._held() as held:
            if held and self._membership is not None:
                try:
                    self._membership.withdraw(name)
                except OSError as error:
                    self._entrance.unwritten(name, error)

    def records(self, prefix: str) -> list[Record]:
        """Return the records whose names begin so: of all processes and of the archive.

        No record is seen both by itself and in the archive, or in neither. Where they cannot be
        read now there are none.
        """
        found: list[Record] = []
        with guarded("group.records"):
            found = self._read(members.beginning(prefix))
        return found  # noqa: RET504 - the guard may have ended the assignment

    def named(self, name: str) -> list[Record]:
        """Return the records of this name, as ``records`` does."""
        found: list[Record] = []
        with guarded("group.records"):
            found = self.surely_named(name)
        return found  # noqa: RET504 - the guard may have ended the assignment

    def surely_named(self, name: str) -> list[Record]:
        """Return the records of this name, for who must not take some for all.

        Raises
        ------
        OSError
            They cannot be read now: this process has too many open files, for one.
        """
        return self._read(members.only(name))

    def _read(self, chosen: Names) -> list[Record]:
        layout = self._enter()
        return [] if layout is None else read_all(layout, chosen)
