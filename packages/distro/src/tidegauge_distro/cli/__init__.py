"""The ``tidegauge`` command."""

from __future__ import annotations

from tidegauge_distro.cli.program import main

__all__ = ["main"]
