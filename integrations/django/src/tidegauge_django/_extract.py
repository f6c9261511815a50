"""Which request a view answers, and the wrapper of Django's function that makes views ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from tidegauge.carrier import Carrier, id_of_wsgi, serving
from tidegauge.observe import Decorator


def context(args: tuple[Any, ...], _: dict[str, Any]) -> Context | None:
    """Return the context of ``view(request, ...)``; None where nothing is known."""
    request = args[0]
    match = request.resolver_match
    # With those of the URL configurations that include it. ASGI's requests have this META too.
    return serving("" if match is None else match.route, id_of_wsgi(request.META))


def views() -> Decorator:
    """Return the decorator of a method that returns a view."""
    carrier = Carrier("django", context)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return carrier.around(original(*args, **kwargs), is_async)

        wrapper.__tidegauge__ = carrier  # type: ignore[attr-defined]
        return wrapper

    return decorate


def is_async(view: object) -> bool:
    """Say whether Django awaits a view; asgiref marks some that Python does not know."""
    from asgiref.sync import (  # noqa: PLC0415 - imported already; importing this module must not
        iscoroutinefunction,
    )

    return bool(iscoroutinefunction(view))
