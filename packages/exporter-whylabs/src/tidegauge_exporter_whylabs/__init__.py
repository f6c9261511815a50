"""whylogs profiles of what models get and answer, written where the team keeps them."""

from __future__ import annotations

from tidegauge_exporter_whylabs.processor import WhylabsProcessor
from tidegauge_exporter_whylabs.sketches import load_whylogs

__all__ = ["WhylabsProcessor", "load_whylogs"]
