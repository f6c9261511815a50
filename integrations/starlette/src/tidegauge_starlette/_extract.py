"""Which request a route handles, of what ASGI and the route say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context, create_key, get_value, set_value
from tidegauge.carrier import id_of_asgi, serving
from tidegauge.guard import once

#: Of the context: the templates of the mounts around, and which scope's route was found.
_PLACE = create_key("tidegauge-place")
# What Starlette compiles a mount to: what follows is its app's.
_REST = "/{path}"


def context(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context | None:
    """Return the context of ``route.handle(scope, receive, send)``; None where it stays."""
    route = args[0]
    scope = args[1] if len(args) > 1 else kwargs["scope"]
    template = getattr(route, "path_format", None)
    if not isinstance(template, str):
        return None  # a host, or a router that is included: it asks routes of its own
    place: Any = get_value(_PLACE)
    prefix, found = place or ("", 0)
    if not hasattr(route, "endpoint") and template.endswith(_REST):
        return set_value(_PLACE, (prefix + template.removesuffix(_REST), 0))
    if found == id(scope):
        return None  # FastAPI's ``handle``, which calls Starlette's
    own = included(route, scope, template)
    # An app that the handler asks in this process is not mounted there.
    within = set_value(_PLACE, ("", id(scope)))
    return serving(prefix + own if own else "", id_of_asgi(scope.get("headers") or ()), within)


def included(route: Any, scope: Mapping[str, Any], template: str) -> str:
    """Return a route's template with the prefix of the FastAPI router that includes it.

    FastAPI used to copy routes into the app. Since it does no longer, the scope says under which
    prefix a route was found. Empty where it does not say so and the route alone is not it.
    """
    if not type(route).__module__.startswith("fastapi."):
        return template
    found = scope.get("fastapi")
    effective = found.get("effective_route_context") if isinstance(found, dict) else None
    if getattr(effective, "original_route", None) is route:
        return str(effective.path_format)  # type: ignore[union-attr]
    if route.path_regex.match(_path(scope)):
        return template
    once(
        "request.starlette.included",
        "FastAPI does not say under which prefix it includes a router: slow calls have no route. "
        "This version may be newer than the integration; look for an update of it.",
    )
    return ""


def _path(scope: Mapping[str, Any]) -> str:
    """Return what is left of the path below mounts: what a route is compared with."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    below = path.removeprefix(root)
    return below if not below or below.startswith("/") else path
