"""Contract tests, fixtures and real backends: imported by tests only."""

from __future__ import annotations
