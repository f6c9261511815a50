"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.carrier import carrier
from tidegauge.patcher import Methods, Patch, Subclasses

from tidegauge_starlette._extract import context

# A router hands a request to the ``handle`` of the route that matches: the one place where route
# and handler are known, with dependencies, endpoint, response and background tasks inside.
# FastAPI's routes and the user's own have a ``handle`` of theirs.
_HANDLE = {"handle": carrier("starlette", context)}

PATCHES: tuple[Patch, ...] = (
    # Says so if a release has no ``handle``.
    Methods("starlette.routing", "BaseRoute", _HANDLE),
    Subclasses("starlette.routing", "BaseRoute", _HANDLE),
)
