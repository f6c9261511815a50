"""Which request Flask handles, of what its request context says."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from tidegauge.carrier import id_of_wsgi, serving


def context(_: tuple[Any, ...], __: dict[str, Any]) -> Context | None:
    """Return the context of ``app.full_dispatch_request()``; None where nothing is known."""
    from flask import request  # noqa: PLC0415 - imported already; importing this module must not

    # None where no route matches. A blueprint's prefix is a part of it.
    rule = request.url_rule
    return serving("" if rule is None else rule.rule, id_of_wsgi(request.environ))
