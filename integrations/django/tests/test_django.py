"""Django views of any shape, under WSGI and ASGI."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import django
import pytest
from django.conf import settings
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, re_path
from django.views import View
from tidegauge import guard
from tidegauge_django import DjangoInstrumentor
from tidegauge_testkit.contracts.context import request_here

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of tests")  # noqa: S106
    django.setup()

ID = {"X-Request-Id": "r-1"}


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    """Instrument Django for one test, in which nothing of ours goes wrong."""
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    guard.reset()
    yield
    instrumentor.uninstrument()
    assert guard.counts() == {}


def plain(request: Any, **_: Any) -> HttpResponse:
    """Answer with the request that is known here."""
    return HttpResponse(request_here())


async def awaited(request: Any, **_: Any) -> HttpResponse:
    """Answer with the request that is known here, after a pause and in a thread."""
    await asyncio.sleep(0)
    return HttpResponse(await asyncio.to_thread(request_here))


class Plain(View):  # type: ignore[misc]
    """A class of a view."""

    def get(self, request: Any, **_: Any) -> HttpResponse:
        """Answer."""
        return plain(request)


class Awaited(View):  # type: ignore[misc]
    """A class of an async view: Django marks its function, which is a plain one."""

    async def get(self, request: Any, **_: Any) -> HttpResponse:
        """Answer."""
        return await awaited(request)


class Callable_:  # noqa: N801 - beside the typing one
    """An object that is a view."""

    def __call__(self, request: Any, **_: Any) -> HttpResponse:
        """Answer."""
        return plain(request)


VIEWS: dict[str, Any] = {
    "plain": plain,
    "awaited": awaited,
    "class": Plain.as_view(),
    "async class": Awaited.as_view(),
    "object": Callable_(),
    "partial": functools.partial(plain, more=1),
}


def urls(*patterns: Any, **handlers: Any) -> ModuleType:
    """Return a URL configuration."""
    module = ModuleType("urls")
    vars(module).update(urlpatterns=list(patterns), **handlers)
    return module


def asked(patterns: ModuleType, where: str, *, asynchronous: bool = False, **more: Any) -> Any:
    """Return the answer to a request."""
    with override_settings(ROOT_URLCONF=patterns, **more):
        if asynchronous:
            return asyncio.run(AsyncClient().get(where, headers=ID))
        return Client().get(where, headers=ID)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_of_any_shape_knows_its_request(kind: str, asynchronous: bool) -> None:
    """Plain ones under ASGI run in a thread, async ones under WSGI in a loop of their own."""
    found = asked(urls(path("a/<int:b>/", VIEWS[kind])), "/a/7/", asynchronous=asynchronous)
    assert found.content.decode() == "a/<int:b>/ r-1"
    assert request_here() == ""


def test_the_view_of_the_match_is_the_users() -> None:
    """Middleware and the answer's ``resolver_match`` see the object that the project wrote."""
    assert asked(urls(path("a/", plain)), "/a/").wsgi_request.resolver_match.func is plain


def test_a_route_has_all_its_prefixes() -> None:
    """Of configurations that are included, a regular expression among them."""
    inner = [re_path(r"^(?P<name>\w+)/$", plain), path("", plain)]
    whole = urls(path("v1/<slug:tenant>/", include(inner)))
    answer = asked(whole, "/v1/secret/model/")
    assert answer.content.decode() == r"v1/<slug:tenant>/(?P<name>\w+)/$ r-1"
    assert asked(whole, "/v1/secret/").content.decode() == "v1/<slug:tenant>/ r-1"


def test_what_matches_nothing_has_no_route() -> None:
    """The view of 404 runs in no request."""
    found: list[str] = []

    def missing(request: Any, exception: Any) -> HttpResponse:
        found.append(request_here())
        return HttpResponse(status=404)

    answer = asked(urls(path("a/", plain), handler404=missing), "/secret/")
    assert (answer.status_code, found) == (404, [""])


def test_an_error_is_djangos() -> None:
    """A view that says 404, or that raises, is answered as without us."""

    def gone(request: Any) -> HttpResponse:
        raise Http404(request_here())

    async def fails(request: Any) -> HttpResponse:
        raise ValueError(request_here())

    whole = urls(path("gone/", gone), path("fails/", fails))
    assert asked(whole, "/gone/").status_code == 404
    for asynchronous in (False, True):
        with pytest.raises(ValueError, match="fails/ r-1"):
            asked(whole, "/fails/", asynchronous=asynchronous)
    assert request_here() == ""


def test_views_in_transactions_work() -> None:
    """``ATOMIC_REQUESTS`` wraps the view before us; an async one is refused as ever."""
    databases = {"default": {"ENGINE": "django.db.backends.dummy", "ATOMIC_REQUESTS": True}}
    from django.db import connections

    whole = urls(path("a/", awaited))
    before = connections.settings
    connections.settings = connections.configure_settings(databases)
    try:
        with pytest.raises(RuntimeError, match="ATOMIC_REQUESTS"):
            asked(whole, "/a/")
    finally:
        connections.settings = before


def test_a_stream_is_made_after_the_view() -> None:
    """It works as ever, and its predictions lead nowhere."""

    def stream(request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(f"<{request_here()}>" for _ in range(1))

    answer = asked(urls(path("a/", stream)), "/a/")
    assert b"".join(answer.streaming_content) == b"<>"


def test_a_request_within_a_request_has_its_own() -> None:
    """A view that asks another in this process lends it nothing, and has its own back."""

    def relay(request: Any) -> HttpResponse:
        other = Client().get("/other/").content.decode()
        return HttpResponse(f"{other}, {request_here()}")

    whole = urls(path("a/", relay), path("other/", plain))
    assert asked(whole, "/a/").content.decode() == "other/ , a/ r-1"


def test_middleware_of_both_kinds_works() -> None:
    """Its work is outside the view, whichever way Django has to adapt it."""
    seen.clear()
    names = [f"{__name__}.plain_middleware", f"{__name__}.async_middleware"]
    whole = urls(path("a/", plain))
    for asynchronous in (False, True):
        for order in (names, names[::-1]):
            answer = asked(whole, "/a/", asynchronous=asynchronous, MIDDLEWARE=order)
            assert answer.content.decode() == "a/ r-1"
    assert seen == [""] * 8


seen: list[str] = []


def plain_middleware(get_response: Any) -> Any:
    """Look around a view."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        seen.append(request_here())
        return response

    return middleware


def async_middleware(get_response: Any) -> Any:
    """Look around a view that is awaited."""

    async def middleware(request: Any) -> Any:
        response = await get_response(request)
        seen.append(request_here())
        return response

    return middleware


async_middleware.async_capable = True  # type: ignore[attr-defined]
async_middleware.sync_capable = False  # type: ignore[attr-defined]
