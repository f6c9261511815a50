"""FastAPI's routes: routers that include routers, dependencies, both kinds of endpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from tidegauge import guard
from tidegauge_starlette import StarletteInstrumentor, _extract
from tidegauge_testkit.asgi import ask, get
from tidegauge_testkit.contracts.context import request_here

ID = {"x-request-id": "r-1"}
TEXT: dict[str, Any] = {"response_class": PlainTextResponse}


@pytest.fixture
def app(instrumented: StarletteInstrumentor) -> FastAPI:
    """Return an app with routers in routers and an app in it."""
    router, inner = APIRouter(prefix="/models"), APIRouter()

    def plain(model: str) -> str:
        return request_here()

    async def awaited(model: str) -> str:
        await asyncio.sleep(0)
        return request_here()

    async def raw(_: Any) -> PlainTextResponse:
        return PlainTextResponse(request_here())

    async def talk(socket: WebSocket, room: str) -> None:
        await socket.accept()
        await socket.send_text(request_here())
        await socket.close()

    inner.get("/{model}/plain", **TEXT)(plain)
    inner.get("/{model}/awaited", **TEXT)(awaited)
    inner.websocket("/{room}/ws")(talk)
    inner.add_route("/{model}/raw", raw)
    router.include_router(inner, prefix="/{tenant}")
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    app.get("/{model}/direct", **TEXT)(plain)
    other = FastAPI()
    other.include_router(inner, prefix="/inner")
    app.mount("/other", other)
    return app


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models/t/m/plain", "/v1/models/{tenant}/{model}/plain"),
        ("/v2/models/t/m/awaited", "/v2/models/{tenant}/{model}/awaited"),
        ("/m/direct", "/{model}/direct"),
        ("/other/inner/m/plain", "/other/inner/{model}/plain"),
        ("/other/inner/m/raw", "/other/inner/{model}/raw"),
    ],
)
def test_a_route_has_all_its_prefixes(app: FastAPI, path: str, expected: str) -> None:
    """Of each router that includes it, and of the app that is mounted."""
    assert asyncio.run(get(app, path, ID)) == f"{expected} r-1"


def test_a_websocket_has_all_its_prefixes(app: FastAPI) -> None:
    """As other routes have."""
    sent = asyncio.run(ask(app, "/v2/models/t/7/ws", ID, type="websocket", scheme="ws"))
    assert sent[1]["text"] == "/v2/models/{tenant}/{room}/ws r-1"


def test_an_app_below_starlette_has_the_mounts_prefix(app: FastAPI) -> None:
    """And below another ``root_path``."""
    outer = Starlette(routes=[Mount("/api", app=app)])
    expected = "/api/v1/models/{tenant}/{model}/plain r-1"
    assert asyncio.run(get(outer, "/api/v1/models/t/m/plain", ID)) == expected
    found = asyncio.run(get(outer, "/x/api/m/direct", ID, root_path="/x"))
    assert found == "/api/{model}/direct r-1"


def test_what_matches_nothing_has_no_route(app: FastAPI) -> None:
    """The answer is FastAPI's."""
    for path in ("/secret", "/v1/models/t/m/secret"):
        first, *_ = asyncio.run(ask(app, path, ID))
        assert first["status"] == 404


# FastAPI reads annotations of the module alone.
LATE: list[str] = []


async def session() -> AsyncIterator[str]:
    """Give what is known of the request, and note it when the endpoint is done."""
    yield request_here()
    LATE.append(request_here())


def test_dependencies_and_background_tasks_belong_to_the_request(
    instrumented: StarletteInstrumentor,
) -> None:
    """Before the endpoint, after the answer, and in what a dependency does last."""
    LATE.clear()
    app = FastAPI()

    @app.get("/a/{b}", **TEXT)
    def endpoint(b: str, tasks: BackgroundTasks, text: Annotated[str, Depends(session)]) -> str:
        tasks.add_task(lambda: LATE.append(request_here()))
        return text

    assert asyncio.run(get(app, "/a/1", ID)) == "/a/{b} r-1"
    assert LATE == ["/a/{b} r-1"] * 2


def test_a_prefix_that_nobody_tells_is_no_route(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A release whose scope says nothing of the router: the id alone, and one warning."""
    includes = APIRoute.__dict__.get("handle") is not None
    if not includes:
        pytest.skip("this release copies routes with their prefix")
    original = _extract.included

    def hidden(route: Any, scope: Any, template: str) -> str:
        return original(route, {**scope, "fastapi": {}}, template)

    monkeypatch.setattr(_extract, "included", hidden)
    with caplog.at_level(logging.WARNING, "tidegauge"):
        for _ in range(2):
            assert asyncio.run(get(app, "/v1/models/t/m/plain", ID)) == " r-1"
    assert asyncio.run(get(app, "/m/direct", ID)) == "/{model}/direct r-1"
    (said,) = caplog.records
    assert said.getMessage() == (
        "FastAPI does not say under which prefix it includes a router: slow calls have no route. "
        "This version may be newer than the integration; look for an update of it."
    )
    assert guard.counts() == {"request.starlette.included": 2}
    guard.reset()


def test_a_starlette_route_of_a_fastapi_app_is_whole(instrumented: StarletteInstrumentor) -> None:
    """Added as it is, it has its own template."""

    async def raw(_: Any) -> PlainTextResponse:
        return PlainTextResponse(request_here())

    app = FastAPI(routes=[Route("/raw/{x}", raw)])
    assert asyncio.run(get(app, "/raw/1", ID)) == "/raw/{x} r-1"
