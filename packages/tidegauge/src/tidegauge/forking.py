"""A forked child starts from zero: the parent's counts stay the parent's.

No lock of ours is held across a fork, but for the one of ``late_import``.
"""

from __future__ import annotations

import os
import sys

from tidegauge import (
    export_order,
    group,
    guard,
    identity,
    late_import,
    leave,
    otel_fork,
    pipeline,
    prediction_ids,
    sigterm,
    sources,
    standing,
    unsent,
)


def install() -> None:
    """Register the hook, once in a process."""
    late_import.install()
    if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
        os.register_at_fork(
            before=otel_fork.before_fork,
            after_in_parent=otel_fork.after_fork,
            after_in_child=_after_in_child,
        )
    # The last in the child: what SIGTERM ends there must have begun anew.
    sigterm.install(leave.handles_sigterm)


def _after_in_child() -> None:
    guard.reset()
    unsent.reset()
    otel_fork.after_fork()
    otel_fork.renew()
    with guard.guarded("fork.group"):
        group.current().inherit()
    with guard.guarded("fork"):
        prediction_ids.renew_process()
        pipeline.current().reset()
        standing.desk().reset()
        sources.current().reset()
        export_order.reset()
        # Loaded only where something exports.
        producer = sys.modules.get("tidegauge.producer")
        if producer is not None:
            producer.reset_all()
        # The next call of each model registers it again, which starts this process's own thread.
        identity.forget_all()
