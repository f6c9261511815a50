"""``tidegauge demo``: an unmodified app, a season's change, and the drift that shows it."""

from __future__ import annotations

from tidegauge_distro.demo.story import COMMAND

__all__ = ["COMMAND"]
