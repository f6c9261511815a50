"""OpenTelemetry for machine-learning models in production."""

from __future__ import annotations

from tidegauge import forking, leave
from tidegauge.attach import attach
from tidegauge.identity import set_model_info
from tidegauge.model import Model
from tidegauge.pipeline import flush
from tidegauge.suppression import suppress

__all__ = ["Model", "attach", "flush", "set_model_info", "suppress"]

forking.install()
leave.prepare()
