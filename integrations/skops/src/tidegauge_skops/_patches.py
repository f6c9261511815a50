"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.loading import loader
from tidegauge.patcher import Functions, Patch

# ``skops.io.load`` is this function. Nothing is recorded of a load: the model goes by its file's
# name from then on. ``loads`` knows of no file.
PATCHES: tuple[Patch, ...] = (Functions("skops.io._persist", {"load": loader("file")}),)
