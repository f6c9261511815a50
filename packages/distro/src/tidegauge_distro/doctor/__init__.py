"""``tidegauge doctor``: what is installed and in force here, and what to put right."""

from __future__ import annotations

from tidegauge_distro.doctor.examination import COMMAND

__all__ = ["COMMAND"]
