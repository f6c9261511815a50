"""What a model costs: CPU, memory, GPU, energy, carbon and money, read at collection."""

from __future__ import annotations

from tidegauge_resources.settings import ResourceSettings

__all__ = ["ResourceSettings"]
