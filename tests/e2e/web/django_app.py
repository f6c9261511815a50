"""Django in one file: URL configurations in one another, for WSGI and for ASGI."""

from __future__ import annotations

from typing import Any

from django.conf import settings

settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__)

import django  # noqa: E402 - in Django's order

django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from scorer import score  # noqa: E402


def scored(request: Any, customer: str) -> HttpResponse:
    """Return a score."""
    return HttpResponse(str(score(float(request.GET["seconds"]))))


urlpatterns = [path("v1/", include([path("score/<str:customer>", scored)]))]
app = get_wsgi_application()
asgi = get_asgi_application()
