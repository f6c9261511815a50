"""The group of this process: membership, records, leadership.

A process that is alone writes nothing. A child of a launch joins with its first prediction and
makes the folder; the launcher looks for it once a second. Nothing here raises into its callers: a
process that cannot join is alone, and says so once.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tidegauge.group import folder as folders
from tidegauge.group import locks, members
from tidegauge.group.archive import ARCHIVE, Merge, absorb, read_all
from tidegauge.group.folder import FolderError, Layout
from tidegauge.group.launch import OWNER_VARIABLE, Launch, detect, look
from tidegauge.group.members import ATTACHED, LEAVING, Membership, Record
from tidegauge.group.records import RecordFile, read
from tidegauge.guard import guarded, once
from tidegauge.runtime import shared
from tidegauge.settings import environment, hand_down

_INSTANCE = "instance"

# The launcher joins at its next tick, one second after the folder is there.
_LAUNCHER_FIRST_S = 3.0
_JOIN_AGAIN_S = 10.0
# Longer than any leader waits before it uses a dead process's record up.
_UNCLAIMED_S = 600.0
# Whoever still ticks so long after its exit protocol has not ended.
_SPARED_S = 10.0
_LOCK_TIMEOUT_S = 1.0


class Group:
    """What a process knows of its group."""

    def __init__(self, launch: Launch | None = None, base: Path | None = None) -> None:
        self.launch = detect(environment()) if launch is None else launch
        self._base = base
        #: Whether there is a reader to export to: others never lead.
        self.attached = False
        #: Whether a prediction was recorded here: others never join.
        self.predicts = False
        #: The ``service.instance.id`` of this process's own resource, if it has one.
        self.own_instance_id = ""
        self._merges: dict[str, Merge] = {}
        self._descriptors = locks.Descriptors()
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._membership: Membership | None = None
        self._leader: locks.FileLock | None = None
        self._kept: dict[str, RecordFile] = {}
        self._join_at_s = 0.0
        self._joined_s = 0.0
        self._left_s: float | None = None
        self._instance_id = ""
        self._dead_since_s: dict[str, float] = {}

    def inherit(self) -> None:
        """Be a forked child: of the same launch, but no member, and with none of its locks."""
        self._descriptors.abandon()
        self.launch = self.launch.inherited()
        self.predicts = False
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
    def leads(self) -> bool:
        """Whether this process evaluates and exports for all."""
        return self._leader is not None and self._leader.held

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

    @property
    def instance_id(self) -> str:
        """The ``service.instance.id`` of the group, whoever leads it."""
        if not self._instance_id:
            kept = self.kept(_INSTANCE)
            if kept is None:
                return self.own_instance_id or self.launch.instance_id()
            self._instance_id = kept.decode()
        return self._instance_id

    # -- joining -------------------------------------------------------------------------------

    def _enter(self) -> Layout | None:
        """Join if it is time; return the folder if it can be read."""
        if self._membership is not None:
            return self._layout
        if not (locks.AVAILABLE and self.launch.identity) or self.launch.helper:
            return None
        layout = Layout(self._base_folder() / self.launch.identity)
        exists = layout.root.is_dir()
        if not self.predicts:
            return layout if exists else None
        if exists or self.launch.child:
            with self._held() as held:
                if held and self._membership is None and time.monotonic() >= self._join_at_s:
                    self._join()
        return self._layout

    def _base_folder(self) -> Path:
        return folders.base_folder(shared.settings.group_dir) if self._base is None else self._base

    def _join(self) -> None:
        self._join_at_s = time.monotonic() + _JOIN_AGAIN_S
        base = self._base_folder()
        try:
            layout = folders.make(
                base, self.launch, private=self._base is None and not shared.settings.group_dir
            )
            membership = Membership(self._descriptors, layout.workers)
        except FolderError as error:
            once(
                "group.refused",
                "The workers of this launch cannot be counted together: %s. Each is counted alone. "
                "Remove it, or set TIDEGAUGE_GROUP_DIR to a folder of your own.",
                error,
                level=logging.ERROR,
            )
            return
        except OSError as error:
            once(
                "group.unwritable",
                "The workers of this launch cannot be counted together: %s in %s. Each is counted "
                "alone. Set TIDEGAUGE_GROUP_DIR to a folder that can be written.",
                error.strerror,
                base,
            )
            return
        self._leader = locks.FileLock(self._descriptors, layout.leader)
        self._layout, self._membership = layout, membership
        self._joined_s = time.monotonic()
        me = look(os.getpid())
        if me is not None and self._base is None:
            hand_down(OWNER_VARIABLE, self.launch.owner(me))
        with suppress(OSError):
            folders.sweep(base, self.launch)

    @contextmanager
    def _held(self, timeout_s: float = _LOCK_TIMEOUT_S) -> Iterator[bool]:
        held = self._lock.acquire(timeout=timeout_s)
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    # -- once a second -------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Join, contest the leadership, archive the dead; ``now_s`` is of a clock without jumps."""
        with guarded("group.tick"):
            layout = self._enter()
            with self._held() as held:
                if held and layout is not None and self._membership is not None:
                    self._tick(now_s, layout, self._membership)

    def _tick(self, now_s: float, layout: Layout, membership: Membership) -> None:
        leader = self._leader
        if leader is None:
            return
        if leader.held and not leader.intact():
            leader.release()
        if self._left_s is not None:
            if time.monotonic() < self._left_s + _SPARED_S:
                return
            self._left_s = None
            membership.unmark(LEAVING)
        if self.attached:
            membership.mark(ATTACHED)
            if not self._launcher_may_come():
                self._lead(0.0)
        # Whoever has the lock clears up, even if it is not to lead.
        if leader.acquire():
            self._clear(layout, now_s)
        if not self.attached:
            leader.release()

    def _launcher_may_come(self) -> bool:
        """Say whether to leave the leadership to a launcher whose windows began before ours."""
        if not self.launch.child or time.monotonic() >= self._joined_s + _LAUNCHER_FIRST_S:
            return False
        launcher = look(self.launch.launcher_pid)
        lives = launcher is not None and launcher.start == self.launch.launcher_start
        return lives and self.kept(_INSTANCE) is None

    def _lead(self, timeout_s: float) -> bool:
        if self._leader is None:
            return False
        if not self._leader.held:
            if not self._leader.acquire(timeout_s):
                return False
            self._kept = {}  # the last leader has written since this process last led
        if self.kept(_INSTANCE) is None:
            own = "" if self.launch.child else self.own_instance_id
            self._keep(_INSTANCE, (own or self.launch.instance_id()).encode())
        return True

    def _clear(self, layout: Layout, now_s: float) -> None:
        """Archive what the dead have counted, and remove their places when nothing is in them."""
        dead = [
            worker
            for worker in members.all_workers(layout.workers)
            if not members.is_alive(layout.workers / worker)
        ]
        for name, merge in self._merges.items() if dead else ():
            try:
                absorb(layout, name, dead, merge)
            except OSError as error:
                self._unwritten(name, error)
        self._dead_since_s = {worker: self._dead_since_s.get(worker, now_s) for worker in dead}
        for worker, since_s in self._dead_since_s.items():
            place = layout.workers / worker
            if not members.names(place) or now_s >= since_s + _UNCLAIMED_S:
                members.remove(place)

    # -- what is shared ------------------------------------------------------------------------

    def publish(self, name: str, payload: bytes) -> None:
        """Write a record of this process; the last write counts.

        Where two threads publish the same name, they put themselves in order.
        """
        with guarded(f"group.publish.{name}"):
            self._enter()
            with self._held() as held:
                if held and self._membership is not None:
                    try:
                        self._membership.publish(name, payload)
                    except OSError as error:
                        self._unwritten(name, error)

    def withdraw(self, name: str) -> None:
        """Remove a record of this process."""
        with guarded(f"group.withdraw.{name}"), self._held() as held:
            if held and self._membership is not None:
                self._membership.withdraw(name)

    def records(self, prefix: str) -> list[Record]:
        """Return the records of all processes, the own one's included, and those of the archive.

        No record is seen both by itself and in the archive, or in neither.
        """
        found: list[Record] = []
        with guarded("group.records"):
            layout = self._enter()
            if layout is not None:
                found = read_all(layout, prefix)
        return found

    def drop(self, record: Record) -> None:
        """Remove a record of a dead process that the leader has used up."""
        with guarded("group.drop"):
            layout = self._layout
            if self.leads and layout is not None and not record.living and record.worker != ARCHIVE:
                place = layout.workers / record.worker
                members.record_path(place, record.name).unlink(missing_ok=True)

    def keep(self, name: str, payload: bytes) -> None:
        """Write a record of the whole group. Only the leader's are written."""
        with guarded(f"group.keep.{name}"), self._held() as held:
            if held and self.leads:
                self._keep(name, payload)

    def _keep(self, name: str, payload: bytes) -> None:
        if self._layout is None:
            return
        record = self._kept.get(name)
        if record is None:
            record = self._kept[name] = RecordFile(members.record_path(self._layout.kept, name))
        try:
            record.write(payload)
        except OSError as error:
            self._unwritten(name, error)

    def kept(self, name: str) -> bytes | None:
        """Return a record of the whole group."""
        content = None
        with guarded(f"group.kept.{name}"):
            layout = self._layout or self._enter()
            if layout is not None:
                content = read(members.record_path(layout.kept, name))
        return None if content is None else content.payload

    def archive_by(self, name: str, merge: Merge) -> None:
        """Say how the records of this name are merged when processes die."""
        self._merges[name] = merge

    def _unwritten(self, name: str, error: OSError) -> None:
        once(
            f"group.unwritten.{error.errno}",
            "Record %r of the group could not be written: %s in %s. Counting goes on, and it is "
            "tried again each second. Make room there, or set TIDEGAUGE_GROUP_DIR to another "
            "folder.",
            name,
            error.strerror,
            self._base_folder(),
            level=logging.ERROR,
        )

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
            leads = False
            with self._held(timeout_s) as held:
                if held:
                    leads = self._last(layout, deadline)
            try:
                if leads:
                    export()
            finally:
                if self._leader is not None:
                    self._leader.release()

    def _last(self, layout: Layout, deadline: float) -> bool:
        """Say that this process goes; take the leadership if nobody else will."""
        self._left_s = time.monotonic()
        if self._membership is not None:
            self._membership.mark(LEAVING)
        self._layout = layout
        if self._leader is None:
            self._leader = locks.FileLock(self._descriptors, layout.leader)
        if self._somebody_stays(layout):
            return False
        return self._lead(max(0.0, deadline - time.monotonic()))

    def _somebody_stays(self, layout: Layout) -> bool:
        places = [
            layout.workers / worker for worker in folders.living(layout) if worker != self.worker
        ]
        return any(
            members.is_marked(place, ATTACHED) and not members.is_marked(place, LEAVING)
            for place in places
        )


_current = Group()


def current() -> Group:
    """Return the group of this process."""
    return _current
