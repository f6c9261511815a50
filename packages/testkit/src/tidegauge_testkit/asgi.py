"""Asks ASGI apps as a server does."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any


async def ask(
    app: Any, path: str, headers: dict[str, str] | None = None, **scope: Any
) -> list[dict[str, Any]]:
    """Ask an ASGI app for a path, and return all that it sends."""
    sent: list[dict[str, Any]] = []
    kind = scope.get("type", "http")
    first = "websocket.connect" if kind == "websocket" else "http.request"
    asked: list[dict[str, Any]] = [{"type": first, "body": b"", "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await gone.wait()
        return {"type": f"{kind}.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(key.lower().encode(), text.encode("latin-1")) for key, text in (headers or {}).items()]
    asked_for = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": raw, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app({**asked_for, **scope}, receive, send)
    return sent


async def get(app: Any, path: str, headers: dict[str, str] | None = None, **scope: Any) -> str:
    """Ask for a path that there is, and return the answer's text."""
    first, *rest = await ask(app, path, headers, **scope)
    if first["status"] != HTTPStatus.OK:
        raise AssertionError(first)
    return b"".join(message.get("body", b"") for message in rest).decode()
