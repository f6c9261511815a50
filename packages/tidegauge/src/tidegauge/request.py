"""The web request that a call is made for, as OpenTelemetry's context carries it.

Frameworks know the request and libraries the prediction; the context is what both can see. A call
with nothing in the context asks for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.context import create_key
from tidegauge_semconv import attributes

#: Of the context, for a ``Request``.
KEY = create_key("tidegauge-request")

#: OpenMetrics leaves 128 characters for all that an exemplar says; an id longer than a UUID or two
#: would leave no room, and a text of the client's is not to fill memory.
MAX_ID = 64

# What OpenTelemetry's own instrumentations call it on the server's span.
_SERVERS_ROUTE = "http.route"


@dataclass(frozen=True, slots=True)
class Request:
    """What to look for in the access log; each empty where it is not known.

    ``route`` is the template (``/users/{id}``), never the path. ``id`` is what the request came
    with; none is made up.
    """

    route: str = ""
    id: str = ""

    def put_on(self, span: Any) -> None:
        """Tell a recording span, unless that of a server has told the trace already."""
        parent = getattr(span, "parent", None)
        if parent is not None and not parent.is_remote:
            return  # the server's span is above
        if _SERVERS_ROUTE in (getattr(span, "attributes", None) or ()):
            return
        if self.route:
            span.set_attribute(attributes.HTTP_ROUTE, self.route)
        if self.id:
            span.set_attribute(attributes.REQUEST_ID, self.id)


def allowed_id(text: str | None) -> str:
    """Return an id that a client sent; empty where it is none to repeat in metrics and logs."""
    if text and len(text) <= MAX_ID and text.isascii() and text.isprintable():
        return text
    return ""
