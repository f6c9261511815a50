"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.carrier import carrier
from tidegauge.patcher import Methods, Patch

from tidegauge_flask._extract import context

PATCHES: tuple[Patch, ...] = (
    # Flask has matched the URL before; inside are the functions before and after the request, the
    # view and the handlers of its errors.
    Methods("flask.app", "Flask", {"full_dispatch_request": carrier("flask", context)}),
)
