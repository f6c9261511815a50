"""Flask keeps the contract of web frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tidegauge_flask import FlaskInstrumentor
from tidegauge_testkit.contracts.context import ContextContract, ContextScenario


class FlaskScenario(ContextScenario):
    """A Flask app with a blueprint."""

    library: ClassVar[str] = "flask"
    plugin: ClassVar[str] = "tidegauge_flask"
    route: ClassVar[str] = "/v1/score/<model>"
    path: ClassVar[str] = "/v1/score/secret-7"

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return FlaskInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the method that dispatches."""
        from flask import Flask

        return Flask, "full_dispatch_request"

    def app(self, handler: Callable[[], str]) -> Any:
        """Return an app whose blueprint has the route."""
        from flask import Blueprint, Flask

        blueprint = Blueprint("scores", __name__, url_prefix="/v1")

        @blueprint.get("/score/<model>")
        def endpoint(model: str) -> str:
            return handler()

        app = Flask("served")
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.register_blueprint(blueprint)
        return app

    def ask(self, app: Any, path: str, headers: dict[str, str]) -> str:
        """Ask by WSGI."""
        answer = app.test_client().get(path, headers=headers)
        assert answer.status_code == 200
        return str(answer.text)


class TestFlask(ContextContract):
    """All promises, for Flask."""

    scenario = FlaskScenario()
