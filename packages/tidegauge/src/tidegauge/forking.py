"""A forked child starts from zero: the parent's counts stay the parent's.

Only ``after_in_child`` is used: no lock of ours is held across a fork.
"""

from __future__ import annotations

import os
import sys

from tidegauge import group, guard, identity, observe, pipeline, standing


def install() -> None:
    """Register the hook, once in a process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_in_child)


def _after_in_child() -> None:
    guard.reset()
    with guard.guarded("fork.group"):
        group.current().inherit()
    with guard.guarded("fork"):
        observe.renew_process_id()
        pipeline.current().reset()
        standing.desk().reset()
        # Loaded only where something exports.
        producer = sys.modules.get("tidegauge.producer")
        if producer is not None:
            producer.reset_all()
        # The next call of each model registers it again, which starts this process's own thread.
        identity.forget_all()
