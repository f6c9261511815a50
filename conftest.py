"""What all tests share: property tests without a deadline, since machines are shared and noisy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
