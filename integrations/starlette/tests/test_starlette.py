"""Routes of Starlette: mounts, websockets, background work, streams, and what matches nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from tidegauge_starlette import StarletteInstrumentor
from tidegauge_testkit.asgi import ask, get
from tidegauge_testkit.contracts.context import request_here

pytestmark = pytest.mark.usefixtures("instrumented")
ID = {"x-request-id": "r-1"}


async def tell(_: Any) -> PlainTextResponse:
    """Answer with the request that is known here."""
    return PlainTextResponse(request_here())


def served(*routes: BaseRoute, path: str, **more: Any) -> str:
    """Return what an app of these routes answers."""
    return asyncio.run(get(Starlette(routes=list(routes)), path, ID, **more))


def test_a_mount_is_a_prefix() -> None:
    """Of its template, not of the path: as deep as they are nested."""
    inner = Starlette(routes=[Route("/score/{model}", tell), Route("/", tell)])
    outer = Mount("/tenants/{tenant:int}", routes=[Mount("/v1", app=inner)])
    assert served(outer, path="/tenants/7/v1/score/x") == "/tenants/{tenant}/v1/score/{model} r-1"
    assert served(outer, path="/tenants/7/v1/") == "/tenants/{tenant}/v1/ r-1"


def test_a_mount_without_a_path_or_a_host_is_none() -> None:
    """They add nothing to the route."""
    mounted = Mount("", routes=[Route("/a", tell)])
    assert served(mounted, path="/a") == "/a r-1"
    host = Host("models.example", app=Router([Route("/a", tell)]))
    headers = ID | {"host": "models.example"}
    assert asyncio.run(get(Starlette(routes=[host]), "/a", headers)) == "/a r-1"


def test_a_path_that_the_server_strips_is_no_part() -> None:
    """``root_path`` is what a proxy in front makes of it."""
    route = Route("/score/{model}", tell)
    assert served(route, path="/api/score/x", root_path="/api") == "/score/{model} r-1"


def test_an_app_that_is_asked_from_within_is_not_mounted_there() -> None:
    """A handler that asks another app in this process lends it neither prefix nor id."""
    other = Starlette(routes=[Route("/other", tell)])

    async def relay(_: Any) -> PlainTextResponse:
        return PlainTextResponse(f"{await get(other, '/other')}, {request_here()}")

    mount = Mount("/v1", routes=[Route("/relay", relay)])
    assert served(mount, path="/v1/relay") == "/other , /v1/relay r-1"


def test_what_matches_nothing_has_no_route() -> None:
    """Not below a mount either: the app's answer to it runs in no request."""
    found: list[str] = []

    async def not_found(_: Any, __: Any) -> PlainTextResponse:
        found.append(request_here())
        return PlainTextResponse("gone", status_code=404)

    mount = Mount("/v1", routes=[Route("/a", tell)])
    app = Starlette(routes=[mount], exception_handlers={404: not_found})
    for path in ("/secret", "/v1/secret"):
        first, *_ = asyncio.run(ask(app, path, ID))
        assert first["status"] == 404
    assert found == ["", ""]


def test_the_answer_to_a_wrong_method_is_starlettes() -> None:
    """The route matches, the method does not."""
    first, *_ = asyncio.run(ask(Starlette(routes=[Route("/a", tell)]), "/a", method="DELETE"))
    assert first["status"] == 405


@pytest.mark.parametrize("there", [True, False])
def test_classes_and_callables_are_routes_too(there: bool) -> None:
    """An endpoint may be a class, or any ASGI app."""

    class Scores(HTTPEndpoint):
        async def get(self, _: Any) -> PlainTextResponse:
            return await tell(None)

    class Raw:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await (await tell(None))(scope, receive, send)

    endpoint: Any = Scores if there else Raw()
    assert served(Route("/a/{b}", endpoint), path="/a/1") == "/a/{b} r-1"


def test_a_route_of_the_users_own_class_is_seen() -> None:
    """It has a ``handle`` of its own, and what is not derived from ours is left alone."""

    class Mine(Route):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse(f"mine {request_here()}")(scope, receive, send)

    class Odd(BaseRoute):
        def matches(self, scope: Any) -> tuple[Match, Any]:
            return Match.FULL, {}

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await (await tell(None))(scope, receive, send)

    assert served(Mine("/a/{b}", tell), path="/a/1") == "mine /a/{b} r-1"
    assert served(Odd(), path="/a/1") == ""


def test_a_websocket_has_a_request_as_long_as_it_is_open() -> None:
    """Its id is that of the handshake."""

    async def talk(socket: Any) -> None:
        await socket.accept()
        await socket.send_text(request_here())
        await socket.close()

    app = Starlette(routes=[Mount("/v1", routes=[WebSocketRoute("/ws/{room}", talk)])])
    _, said, _ = asyncio.run(ask(app, "/v1/ws/7", ID, type="websocket", scheme="ws"))
    assert said["text"] == "/v1/ws/{room} r-1"


def test_background_tasks_belong_to_their_request() -> None:
    """They run when the answer is sent, in the same call of ``handle``; plain ones in a thread."""
    found: list[str] = []

    def plain() -> None:
        found.append(request_here())

    async def awaited() -> None:
        found.append(request_here())

    def answers(task: Any) -> Any:
        async def endpoint(_: Any) -> PlainTextResponse:
            return PlainTextResponse("", background=BackgroundTask(task))

        return endpoint

    for task in (plain, awaited):
        served(Route("/a/{b}", answers(task)), path="/a/1")
    assert found == ["/a/{b} r-1"] * 2


def test_a_stream_belongs_to_its_request() -> None:
    """Also the parts that a plain generator makes in a thread."""

    def plain() -> Iterator[str]:
        yield from (request_here(), ", ", request_here())

    async def awaited() -> AsyncIterator[str]:
        yield request_here()
        await asyncio.sleep(0)
        yield ", " + request_here()

    def streams(make: Any) -> Any:
        async def endpoint(_: Any) -> StreamingResponse:
            return StreamingResponse(make())

        return endpoint

    for make in (plain, awaited):
        assert served(Route("/a/{b}", streams(make)), path="/a/1") == "/a/{b} r-1, /a/{b} r-1"


def test_threads_of_a_handler_know_its_request() -> None:
    """The framework's own get a copy of the context; a bare thread is Python's, and does not."""

    async def endpoint(_: Any) -> PlainTextResponse:
        found = [await run_in_threadpool(request_here), await asyncio.to_thread(request_here)]
        bare = threading.Thread(target=lambda: found.append(request_here()))
        bare.start()
        bare.join()
        return PlainTextResponse(", ".join(found))

    assert served(Route("/a/{b}", endpoint), path="/a/1") == "/a/{b} r-1, /a/{b} r-1, "


def test_many_requests_of_one_loop_stay_apart() -> None:
    """A hundred at once, each with pauses, each with its own id, and nothing is left in the end."""

    async def endpoint(_: Any) -> PlainTextResponse:
        found = set()
        for _ in range(5):
            found.add(request_here())
            await asyncio.sleep(0)
        return PlainTextResponse(" ".join(found))

    app = Starlette(routes=[Route("/a/{b}", endpoint)])

    async def serve() -> tuple[list[str], str]:
        asked = (get(app, f"/a/{i}", {"x-request-id": f"r-{i}"}) for i in range(100))
        return await asyncio.gather(*asked), request_here()

    answers, left = asyncio.run(serve())
    assert answers == [f"/a/{{b}} r-{i}" for i in range(100)]
    assert left == ""


def test_an_error_reaches_its_handler() -> None:
    """An exception of the endpoint goes to the app's handler of it, as without us."""

    async def endpoint(_: Any) -> None:
        raise HTTPException(418, "short and stout")

    first, second = asyncio.run(ask(Starlette(routes=[Route("/a", endpoint)]), "/a"))
    assert (first["status"], second["body"]) == (418, b"short and stout")


def test_a_client_that_goes_away_cancels_as_before() -> None:
    """A cancelled handler raises nothing of ours, and leaves nothing."""
    begun = asyncio.Event()

    async def endpoint(_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def serve() -> str:
        task = asyncio.create_task(get(Starlette(routes=[Route("/a", endpoint)]), "/a", ID))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return request_here()

    assert asyncio.run(serve()) == ""


def test_classes_made_while_instrumented_go_clean(instrumented: StarletteInstrumentor) -> None:
    """A route class of the user's has its own ``handle`` again."""

    class Mine(Route):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            """Answer nothing."""

    assert hasattr(vars(Mine)["handle"], "__wrapped__")
    instrumented.uninstrument()
    assert not hasattr(vars(Mine)["handle"], "__wrapped__")
    instrumented.instrument(skip_dep_check=True)
