"""Flask apps of any shape: functions around the view, async views, errors, what matches nothing."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, stream_with_context
from flask.views import MethodView
from tidegauge import guard
from tidegauge_flask import FlaskInstrumentor
from tidegauge_testkit.contracts.context import request_here
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

ID = {"X-Request-Id": "r-1"}
FOUND = "/a/<int:b> r-1"


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    """Instrument Flask for one test, in which nothing of ours goes wrong."""
    instrumentor = FlaskInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    guard.reset()
    yield
    instrumentor.uninstrument()
    assert guard.counts() == {}


def app(view: Any = request_here) -> Flask:
    """Return an app with one route."""
    made = Flask("served")
    made.add_url_rule("/a/<int:b>", view_func=lambda b: view(), endpoint="a")
    return made


def asked(flask: Flask, path: str = "/a/7") -> str:
    """Return an answer's text."""
    return str(flask.test_client().get(path, headers=ID).text)


def test_functions_around_the_view_belong_to_the_request() -> None:
    """Before it, after it; the end of the context comes when it is over."""
    flask, found = app(), []

    @flask.before_request
    def before() -> None:
        g.before = request_here()

    @flask.after_request
    def after(response: Response) -> Response:
        found.extend([g.before, request_here()])
        return response

    assert asked(flask) == FOUND
    assert found == [FOUND] * 2
    assert request_here() == ""


def test_a_function_before_the_view_may_answer() -> None:
    """With a prediction of its own."""
    flask = app(lambda: "never")
    flask.before_request(request_here)
    assert asked(flask) == FOUND


def test_handlers_of_errors_belong_to_the_request() -> None:
    """Of exceptions of the view."""

    def raises() -> None:
        raise KeyError

    flask = app(raises)
    flask.register_error_handler(KeyError, lambda _: request_here())
    assert asked(flask) == FOUND


def test_what_matches_nothing_has_an_id_alone() -> None:
    """The handler of 404 knows no route, nor does that of a wrong method."""
    flask = app()
    for status in (404, 405):
        flask.register_error_handler(status, lambda _: request_here())
    assert asked(flask, "/secret") == " r-1"
    assert flask.test_client().delete("/a/7", headers=ID).text == " r-1"


def test_blueprints_in_blueprints_and_classes_have_their_whole_rule() -> None:
    """With the prefix of each."""

    class Scores(MethodView):
        def get(self, model: str) -> str:
            return request_here()

    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)
    inner.add_url_rule("/<model>", view_func=Scores.as_view("scores"))
    outer.register_blueprint(inner, url_prefix="/models")
    flask = Flask("served")
    flask.register_blueprint(outer, url_prefix="/v1")
    assert asked(flask, "/v1/models/secret") == "/v1/models/<model> r-1"


def test_an_async_view_belongs_to_the_request() -> None:
    """Flask runs it in a loop of its own."""
    pytest.importorskip("asgiref", reason="flask[async] is not installed")
    flask = Flask("served")

    @flask.get("/a/<int:b>")
    async def view(b: int) -> str:
        await asyncio.sleep(0)
        return f"{request_here()}, {await asyncio.to_thread(request_here)}"

    assert asked(flask) == f"{FOUND}, {FOUND}"
    assert request_here() == ""


def test_a_stream_is_made_after_the_request() -> None:
    """It works as ever, and its predictions lead nowhere."""

    def parts() -> Iterator[str]:
        yield f"<{request_here()}>"

    assert asked(app(lambda: Response(stream_with_context(parts())))) == "<>"


def test_a_thread_knows_the_request_where_it_has_the_context() -> None:
    """As Python has it: a bare thread begins with none."""

    def view() -> str:
        found: list[str] = []
        copied = contextvars.copy_context()
        for run in (lambda: found.append(request_here()),
                    lambda: copied.run(lambda: found.append(request_here()))):  # fmt: skip
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        return ", ".join(found)

    assert asked(app(view)) == f", {FOUND}"


def test_an_app_below_another_tells_its_own_rule() -> None:
    """What it is mounted under is part of the path, which is not told."""
    both = DispatcherMiddleware(Flask("outer"), {"/secret": app()})
    assert Client(both).get("/secret/a/7", headers=ID).text == FOUND


def test_a_request_within_a_request_has_its_own() -> None:
    """An app that asks another in this process lends it nothing, and has its own back."""
    other = Flask("other")
    other.add_url_rule("/other", view_func=request_here)

    def view() -> str:
        return f"{other.test_client().get('/other').text}, {request_here()}"

    assert asked(app(view)) == f"/other , {FOUND}"


def test_a_subclass_that_dispatches_itself_works() -> None:
    """It calls Flask's method, as it must."""

    class Mine(Flask):
        def full_dispatch_request(self, *args: Any) -> Response:
            response: Response = super().full_dispatch_request(*args)
            response.headers["X-Mine"] = "1"
            return response

    mine = Mine("served")
    mine.add_url_rule("/a/<int:b>", view_func=lambda b: request_here(), endpoint="a")
    answer = mine.test_client().get("/a/7", headers=ID)
    assert (answer.text, answer.headers["X-Mine"]) == (FOUND, "1")
