"""Starlette and FastAPI keep the contract of web frameworks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from tidegauge_starlette import StarletteInstrumentor
from tidegauge_testkit.asgi import get
from tidegauge_testkit.contracts.context import ContextContract, ContextScenario


class StarletteScenario(ContextScenario):
    """A Starlette app with one route."""

    library: ClassVar[str] = "starlette"
    plugin: ClassVar[str] = "tidegauge_starlette"
    route: ClassVar[str] = "/score/{model}"
    path: ClassVar[str] = "/score/secret-7"

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return StarletteInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the ``handle`` of plain routes."""
        from starlette.routing import Route

        return Route, "handle"

    def app(self, handler: Callable[[], str]) -> Any:
        """Return an app whose endpoint runs in a thread, as a plain function does."""
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        def endpoint(_: Any) -> Any:
            return PlainTextResponse(handler())

        return Starlette(routes=[Route("/score/{model}", endpoint)])

    def ask(self, app: Any, path: str, headers: dict[str, str]) -> str:
        """Ask by ASGI."""
        return asyncio.run(get(app, path, headers))


class FastAPIScenario(StarletteScenario):
    """A FastAPI app with a router that it includes."""

    library: ClassVar[str] = "fastapi"
    route: ClassVar[str] = "/v1/score/{model}"
    path: ClassVar[str] = "/v1/score/secret-7"

    def app(self, handler: Callable[[], str]) -> Any:
        """Return an app with an ``async`` endpoint."""
        from fastapi import APIRouter, FastAPI
        from fastapi.responses import PlainTextResponse

        router = APIRouter()

        @router.get("/score/{model}", response_class=PlainTextResponse)
        async def endpoint(model: str) -> str:
            await asyncio.sleep(0)
            return handler()

        app = FastAPI()
        app.include_router(router, prefix="/v1")
        return app


class TestStarlette(ContextContract):
    """All promises, for Starlette."""

    scenario = StarletteScenario()


class TestFastAPI(ContextContract):
    """All promises, for FastAPI."""

    scenario = FastAPIScenario()
