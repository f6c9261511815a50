"""The same service, set up in its module."""

from __future__ import annotations

from tidegauge_distro import configure

configure()

from asgi import app  # noqa: E402 - after the set-up, as the documentation says

__all__ = ["app"]
