"""Handlers run in the context of their request, and nobody else does."""

from __future__ import annotations

import asyncio
import contextvars
import io
import pickle
from collections.abc import Coroutine, Iterator
from typing import Any

import cloudpickle
import pytest
from opentelemetry.context import Context, attach, get_current, set_value
from tidegauge import guard
from tidegauge.carrier import Carrier, carrier, id_of_asgi, id_of_wsgi, serving
from tidegauge.configuration import CoreSettings
from tidegauge.patcher import Methods, Patcher
from tidegauge.request import KEY, Request
from tidegauge.runtime import shared
from tidegauge.settings import SettingError, load


def here() -> Any:
    """Return the request of the current context."""
    return get_current().get(KEY)


def read(args: tuple[Any, ...], _: dict[str, Any]) -> Context | None:
    """Take the route and the id of a call's arguments."""
    return serving(args[0], args[1])


def plain(_: str, __: str) -> Any:
    """Handle a request."""
    return here()


async def awaited(_: str, __: str) -> Any:
    """Handle a request, with a pause."""
    await asyncio.sleep(0)
    return here()


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    """See to it that each test begins with no faults."""
    guard.reset()
    yield
    guard.reset()


def test_a_handler_sees_its_request() -> None:
    """Within the call, and not after it."""
    before = get_current()
    assert Request("/a", "1") == carrier("web", read)(plain)("/a", "1")
    assert get_current() is before


def test_a_coroutine_sees_its_request_to_its_end() -> None:
    """Across its pauses, while another sees its own."""

    async def both() -> list[Any]:
        before = get_current()
        handler = carrier("web", read)(awaited)
        found = await asyncio.gather(handler("/a", "1"), handler("/b", ""))
        last = await handler("/c", "3")
        assert get_current() is before
        return [*found, last]

    expected = [Request("/a", "1"), Request("/b", ""), Request("/c", "3")]
    assert expected == asyncio.run(both())


def test_where_nothing_is_known_the_context_stays() -> None:
    """No context is made for it."""

    def handler(_: str, __: str) -> Context:
        return get_current()

    assert carrier("web", read)(handler)("", "") is get_current()


def test_what_a_handler_leaves_attached_does_not_outlast_it() -> None:
    """An app that attaches and never detaches gets back what was before its request."""

    def handler(_: str, __: str) -> None:
        attach(set_value("mine", 1))

    before = get_current()
    carrier("web", read)(handler)("/a", "1")
    assert get_current() is before


def test_a_coroutine_that_is_closed_elsewhere_raises_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As one that is garbage when its loop has gone."""
    made: list[Coroutine[Any, Any, Any]] = []

    def begin() -> None:
        made.append(carrier("web", read)(awaited)("/a", "1"))
        made[0].send(None)

    contextvars.Context().run(begin)
    made[0].close()
    assert here() is None
    assert {} == guard.counts()
    assert [] == caplog.records


def test_faults_of_ours_stay_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a request that is not as expected, and taking back a token that is none."""
    assert carrier("web", lambda *_: 1 / 0)(plain)("/a", "1") is None  # type: ignore[arg-type]
    monkeypatch.setattr("tidegauge.carrier.attach", lambda _: object())
    assert carrier("web", read)(plain)("/a", "1") is None
    assert ["request.web:ZeroDivisionError", "request.web:AttributeError"] == list(guard.counts())


def test_a_function_about_to_be_called_is_wrapped_as_what_it_is() -> None:
    """Plain or async, as the framework says, with its name."""
    found = Carrier("web", read)
    sync = found.around(plain, lambda _: False)
    assert (Request("/a", "1"), "plain") == (sync("/a", "1"), sync.__name__)
    waits = found.around(awaited, lambda _: True)
    assert asyncio.iscoroutinefunction(waits)
    assert Request("/a", "1") == asyncio.run(waits("/a", "1"))
    assert found.around(plain, lambda _: 1 / 0) is plain  # type: ignore[arg-type,return-value]
    assert ["request.web:ZeroDivisionError"] == list(guard.counts())


class Routes:
    """A framework."""

    def handle(self, route: str, request_id: str) -> Any:
        """Handle a request."""
        return here()


class Elsewhere(pickle.Unpickler):
    """Reads a pickle where Tidegauge is not installed."""

    def find_class(self, module: str, name: str) -> Any:
        """Find what is installed."""
        if module.partition(".")[0] == "tidegauge":
            raise ImportError(module)
        return super().find_class(module, name)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_copy_by_value_is_the_original(protocol: int) -> None:
    """A handler that cloudpickle ships to another process runs there without Tidegauge."""
    wrapper = carrier("web", read)(lambda route, request_id: (route, request_id))
    shipped = cloudpickle.dumps(wrapper, protocol=protocol)
    assert ("/a", "1") == Elsewhere(io.BytesIO(shipped)).load()("/a", "1")


def test_the_patcher_takes_it_back() -> None:
    """The identical function stands there again."""
    original = vars(Routes)["handle"]
    found = carrier("web", lambda args, _: serving(args[1], args[2]))
    patcher = Patcher([Methods(__name__, "Routes", {"handle": found})])
    patcher.install()
    assert Request("/a", "1") == Routes().handle("/a", "1")
    patcher.remove()
    assert vars(Routes)["handle"] is original
    assert Routes().handle("/a", "1") is None


@pytest.mark.parametrize(
    ("header", "expected"), [("x-request-id", "r-1"), ("x-b", "b"), ("x-c", ""), ("", "")]
)
def test_the_id_is_the_configured_headers(
    header: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ASGI's headers and of WSGI's environment; the first of several."""
    monkeypatch.setattr(shared, "settings", CoreSettings(request_id_header=header))
    headers = [(b"X-Request-ID", b"r-1"), (b"x-request-id", b"r-2"), (b"x-b", b"b")]
    assert expected == id_of_asgi(headers)
    environ = {"HTTP_X_REQUEST_ID": "r-1", "HTTP_X_B": "b", "wsgi.version": (1, 0)}
    assert expected == id_of_wsgi(environ)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("X-Correlation-ID", "x-correlation-id"), ("None", ""), ("", "x-request-id")],
)
def test_the_environment_names_the_header(text: str, expected: str) -> None:
    """In any case, as HTTP has it; none reads none."""
    settings = load(CoreSettings, {"TIDEGAUGE_REQUEST_ID_HEADER": text})
    assert expected == settings.request_id_header


def test_what_is_no_header_is_refused() -> None:
    """A list of them, a value with them."""
    with pytest.raises(SettingError) as caught:
        load(CoreSettings, {"TIDEGAUGE_REQUEST_ID_HEADER": "x-a: 1"})
    assert str(caught.value) == (
        "TIDEGAUGE_REQUEST_ID_HEADER: got 'x-a: 1' from the environment; expected the name of a "
        "header, or none. Unset it to use x-request-id."
    )
