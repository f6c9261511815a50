"""In whatever order processes publish, die, archive and crash: the total is what was published."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tidegauge import guard
from tidegauge.group import Group
from tidegauge.group.launch import detect

CHANGES = ("pwrite", "rename", "unlink", "rmdir", "mkdir")


class CrashError(BaseException):
    """The process ends here."""


def total(payloads: list[bytes]) -> bytes:
    """Merge as counts are merged."""
    return b"%d" % sum(map(int, payloads))


class Processes(RuleBasedStateMachine):
    """Processes of one launch, here in one."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.stack.enter_context(mock.patch("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0))
        self.launch = replace(detect({}), child=True)
        self.living: list[Group] = []
        self.published: dict[Group, int] = {}
        self.reader = Group(self.launch, self.folder)
        guard.reset()

    def teardown(self) -> None:
        """Close what is open."""
        for group in self.living:
            group._descriptors.abandon()
        self.stack.close()

    @precondition(lambda self: len(self.living) < 4)
    @rule(count=st.integers(0, 5), attached=st.booleans())
    def start(self, count: int, attached: bool) -> None:
        """Start a process, which publishes."""
        group = Group(self.launch, self.folder)
        group.predicts, group.attached = True, attached
        group.archive_by("counters", total)
        self.living.append(group)
        self.publish(-1, count)

    @precondition(lambda self: self.living)
    @rule(which=st.integers(0, 3), count=st.integers(0, 5))
    def publish(self, which: int, count: int) -> None:
        """Publish a larger count."""
        group = self.living[which % len(self.living)]
        self.published[group] = self.published.get(group, 0) + count
        assert group.publish("counters", b"%d" % self.published[group])

    @precondition(lambda self: self.living)
    @rule(which=st.integers(0, 3))
    def tick(self, which: int) -> None:
        """Let a second go by in one process."""
        self.living[which % len(self.living)].tick(0.0)

    @precondition(lambda self: self.living)
    @rule(which=st.integers(0, 3))
    def kill(self, which: int) -> None:
        """End a process without warning."""
        self.living.pop(which % len(self.living))._descriptors.abandon()

    @precondition(lambda self: self.living)
    @rule(which=st.integers(0, 3), step=st.integers(1, 12))
    def crash(self, which: int, step: int) -> None:
        """End a process in the middle of what it does once a second."""
        left = [step]
        with ExitStack() as patches:
            for name in CHANGES:
                real = getattr(os, name)

                def count(*args: Any, real: Any = real, **kwargs: Any) -> Any:
                    left[0] -= 1
                    if not left[0]:
                        raise CrashError
                    return real(*args, **kwargs)

                patches.enter_context(mock.patch.object(os, name, count))
            patches.enter_context(suppress(CrashError))
            self.living[which % len(self.living)].tick(0.0)
        self.kill(which)

    @precondition(lambda self: self.living)
    @rule(which=st.integers(0, 3))
    def leave(self, which: int) -> None:
        """End a process in good order."""
        exported: list[int] = []
        group = self.living[which % len(self.living)]
        group.leave(0.0, lambda: exported.append(1))
        others = [other for other in self.living if other is not group]
        # One that is attached but has not ticked yet is not known to stay.
        assert exported or any(other.attached for other in others)
        self.kill(which)

    @invariant()
    def the_total_is_what_was_published(self) -> None:
        """Whoever is asked."""
        for group in [*self.living, self.reader]:
            found = [int(record.payload) for record in group.named("counters")]
            assert sum(self.published.values()) == sum(found)

    @invariant()
    def at_most_one_leads(self) -> None:
        """And nothing went wrong."""
        assert sum(group.leads for group in self.living) <= 1
        assert {} == guard.counts()


TestTotals = Processes.TestCase
TestTotals.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
