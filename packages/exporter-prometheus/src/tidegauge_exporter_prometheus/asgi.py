"""The endpoint as an ASGI application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegauge_exporter_prometheus.exposition import Answer, answer
from tidegauge_exporter_prometheus.wsgi import source

if TYPE_CHECKING:
    from tidegauge_exporter_prometheus.reader import PrometheusReader

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def asgi_app(reader: PrometheusReader | None = None) -> ASGIApplication:
    """Return an ASGI application to mount: it shows a reader, by default all of this process.

    It answers at every path that it is mounted on, and collects off the event loop.
    """
    collect = source(reader)

    async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            accept, encoding = _header(scope, b"accept"), _header(scope, b"accept-encoding")
            found = await _in_thread(lambda: answer(scope["method"], accept, encoding, collect))
            await _send(found, send)

    return app


async def _in_thread(work: Callable[[], Answer]) -> Answer:
    """Run work on a thread of its own.

    Not on the loop's executor: its few threads are the app's, scrapes that wait for their turn
    would hold them, and a collection that hangs would hold up the app's exit.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def deliver(found: Answer | BaseException) -> None:
        if done.cancelled():
            return
        if isinstance(found, BaseException):
            done.set_exception(found)
        else:
            done.set_result(found)

    def run() -> None:
        found: Answer | BaseException
        try:
            found = work()
        except BaseException as error:
            found = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, found)

    try:
        threading.Thread(target=run, name="tidegauge-scrape", daemon=True).start()
    except RuntimeError:  # no thread is to be had
        return work()
    return await done


async def _send(found: Answer, send: _Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in found.headers]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": found.body})


async def _live(receive: _Receive, send: _Send) -> None:
    """Take part in the server's start and stop, where this application stands alone."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _header(scope: _Message, name: bytes) -> str:
    found = (value for key, value in scope["headers"] if key.lower() == name)
    return ",".join(value.decode("latin-1") for value in found)
