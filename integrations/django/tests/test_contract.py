"""Django keeps the contract of web frameworks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

from tidegauge_django import DjangoInstrumentor
from tidegauge_testkit.contracts.context import ContextContract, ContextScenario


class DjangoScenario(ContextScenario):
    """A Django app whose URL configuration includes another, under WSGI."""

    library: ClassVar[str] = "django"
    plugin: ClassVar[str] = "tidegauge_django"
    route: ClassVar[str] = "v1/score/<str:model>"
    path: ClassVar[str] = "/v1/score/secret-7"
    asynchronous: ClassVar[bool] = False

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return DjangoInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the method that makes views ready."""
        from django.core.handlers.base import BaseHandler

        return BaseHandler, "make_view_atomic"

    def app(self, handler: Callable[[], str]) -> Any:
        """Return a URL configuration."""
        import django
        from django.conf import settings

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of tests")  # noqa: S106
            django.setup()
        from django.http import HttpResponse
        from django.urls import include, path

        def plain(request: Any, model: str) -> Any:
            return HttpResponse(handler())

        async def awaited(request: Any, model: str) -> Any:
            await asyncio.sleep(0)
            return HttpResponse(handler())

        urls = ModuleType("urls")
        view = awaited if self.asynchronous else plain
        urls.urlpatterns = [path("v1/", include([path("score/<str:model>", view)]))]  # type: ignore[attr-defined]
        return urls

    def ask(self, app: Any, path: str, headers: dict[str, str]) -> str:
        """Ask by WSGI."""
        from django.test import Client, override_settings

        with override_settings(ROOT_URLCONF=app):
            answer = Client().get(path, headers=headers)
        assert answer.status_code == 200
        return str(answer.content.decode())


class AsyncDjangoScenario(DjangoScenario):
    """The same with an ``async`` view, under ASGI."""

    asynchronous: ClassVar[bool] = True

    def ask(self, app: Any, path: str, headers: dict[str, str]) -> str:
        """Ask by ASGI."""
        from django.test import AsyncClient, override_settings

        with override_settings(ROOT_URLCONF=app):
            answer = asyncio.run(AsyncClient().get(path, headers=headers))
        assert answer.status_code == 200
        return str(answer.content.decode())


class TestDjango(ContextContract):
    """All promises, for Django under WSGI."""

    scenario = DjangoScenario()


class TestAsyncDjango(ContextContract):
    """All promises, for Django under ASGI."""

    scenario = AsyncDjangoScenario()
