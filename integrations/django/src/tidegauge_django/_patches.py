"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.patcher import Methods, Patch

from tidegauge_django._extract import views

PATCHES: tuple[Patch, ...] = (
    # Django asks it for the callable of a view when the URL is resolved, and calls that at once:
    # the one place, for both ways of handling requests, where the route is known and the view has
    # not begun.
    Methods("django.core.handlers.base", "BaseHandler", {"make_view_atomic": views()}),
)
