"""What every integration does once its hooks are in place, whichever distro started the process."""

from __future__ import annotations

from tidegauge import leave
from tidegauge.attach import attach_global
from tidegauge.guard import guarded
from tidegauge.suppression import tell_greenlets_apart


def begin() -> None:
    """Export through the provider that is there already, and flush when the process ends."""
    with guarded("start"):
        tell_greenlets_apart()
        attach_global()
        leave.install()
