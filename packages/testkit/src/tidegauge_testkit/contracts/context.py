"""What an integration of a web framework must keep: it tells which request, and nobody can tell."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from opentelemetry.context import get_current
from tidegauge import Model
from tidegauge.configuration import CoreSettings
from tidegauge.counts import Exemplar
from tidegauge.request import KEY, Request

from tidegauge_testkit.contracts.case import Boom, boom
from tidegauge_testkit.contracts.integration import HooksContract
from tidegauge_testkit.contracts.scenario import HooksScenario
from tidegauge_testkit.recording import Recording

_PATIENCE_S = 30.0


class ContextScenario(HooksScenario):
    """A tiny app of the framework, and how to ask it."""

    #: Template of the app's only route, which has a parameter, as the framework tells it.
    route: ClassVar[str]
    #: A path that the route matches.
    path: ClassVar[str]

    @abstractmethod
    def app(self, handler: Callable[[], str]) -> Any:
        """Return an app whose route answers with what the handler returns."""

    @abstractmethod
    def ask(self, app: Any, path: str, headers: dict[str, str]) -> str:
        """Ask through the framework's whole stack, in this process; return the answer's text.

        What the handler raises goes on to the caller.
        """

    def seen(self) -> bool:
        """Say whether a handler sees its request."""
        found = self.ask(self.app(request_here), self.path, {"X-Request-Id": "r-1"})
        assert found in ("", f"{self.route} r-1")
        return bool(found)


class ContextContract(HooksContract):
    """Derive from it in a test module and set ``scenario``; each test tells one promise.

    The test module imports the framework in methods of its scenario only.
    """

    scenario: ClassVar[ContextScenario]

    @pytest.fixture
    def recording(self) -> Iterator[Recording]:
        """Return a pipeline of this test alone."""
        with Recording() as recording:
            yield recording

    def serve(self, app: Any, request_id: str = "", name: str = "X-Request-Id") -> str:
        """Ask the app's route."""
        return self.scenario.ask(app, self.scenario.path, {name: request_id} if request_id else {})

    def leads_to(
        self, recording: Recording, request_id: str = "", name: str = "X-Request-Id"
    ) -> tuple[str, str] | None:
        """Return route and id that a prediction of a request leads to; None where to nothing."""
        self.serve(self.scenario.app(predict), request_id, name)
        return next(iter(map(_pair, recording.exemplars())), None)

    # -- what is known of a request ------------------------------------------------------------

    def test_a_slow_call_leads_to_its_request(self, recording: Recording) -> None:
        """The exemplar has the route's template and the request's id, without any span."""
        assert self.leads_to(recording, "r-1") == (self.scenario.route, "r-1")
        (found,) = recording.exemplars()
        assert (found.trace_id, found.span_id) == (0, 0)
        assert recording.faults() == {}

    def test_no_id_is_made_up(self, recording: Recording) -> None:
        """A request that came without an id has its route alone."""
        assert self.leads_to(recording) == (self.scenario.route, "")

    @pytest.mark.parametrize("text", ["x" * 64, '"quoted" \\ {a=b}, c'])
    def test_an_id_may_be_any_short_text(self, recording: Recording, text: str) -> None:
        """Sixty-four printable characters of ASCII at most."""
        assert self.leads_to(recording, text) == (self.scenario.route, text)

    @pytest.mark.parametrize("text", ["x" * 65, "a\tb", "caf\xe9"])
    def test_what_is_no_id_is_dropped(self, recording: Recording, text: str) -> None:
        """Text of a client's that is too long, not printable or not ASCII goes nowhere."""
        assert self.leads_to(recording, text) == (self.scenario.route, "")

    def test_the_header_may_be_another(self) -> None:
        """``TIDEGAUGE_REQUEST_ID_HEADER`` says which header has the id, or that none has."""
        with Recording(CoreSettings(request_id_header="x-correlation-id")) as recording:
            found = self.leads_to(recording, "c-1", "X-Correlation-ID")
            assert found == (self.scenario.route, "c-1")
        with Recording(CoreSettings(request_id_header="")) as recording:
            assert self.leads_to(recording, "r-1") == (self.scenario.route, "")

    def test_a_path_is_told_nowhere(self, recording: Recording) -> None:
        """Nothing but the template: the path holds a user's data."""
        self.leads_to(recording, "r-1")
        (found,) = recording.exemplars()
        assert self.scenario.path not in repr(found)

    # -- nothing else changes ------------------------------------------------------------------

    def test_a_request_leaves_nothing_behind(self, recording: Recording) -> None:
        """After a request this thread's context is the object that it was."""
        before = get_current()
        app = self.scenario.app(predict)
        self.serve(app, "r-1")
        assert get_current() is before
        predict()
        assert recording.calls() == 2
        assert [pair for pair in map(_pair, recording.exemplars()) if pair != ("", "")] == [
            (self.scenario.route, "r-1")
        ]

    def test_requests_at_the_same_time_stay_apart(self) -> None:
        """Each of four requests, all in their handlers at once, sees its own id."""
        together = threading.Barrier(4)

        def handler() -> str:
            together.wait(_PATIENCE_S)
            found = request_here()
            together.wait(_PATIENCE_S)
            return found

        app = self.scenario.app(handler)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda i: self.serve(app, f"r-{i}"), range(4)))
        assert answers == [f"{self.scenario.route} r-{i}" for i in range(4)]

    def test_the_answer_is_the_handlers(self) -> None:
        """With and without instrumentation a handler's answer is the same."""
        app = self.scenario.app(lambda: "the answer")
        assert self.serve(app, "r-1") == "the answer"
        self.scenario.instrumentor().uninstrument()
        assert self.serve(app, "r-1") == "the answer"

    def test_an_exception_is_the_handlers(self) -> None:
        """The same object is raised, and the context is taken back."""
        error = ValueError("the handler's")

        def handler() -> str:
            raise error

        before = get_current()
        with pytest.raises(ValueError, match="the handler's") as caught:
            self.serve(self.scenario.app(handler), "r-1")
        assert caught.value is error
        assert get_current() is before

    # -- nothing of ours gets out --------------------------------------------------------------

    @pytest.mark.parametrize("part", ["allowed_id", "set_value", "attach"])
    def test_a_fault_of_ours_stays_ours(
        self, recording: Recording, part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever breaks in our hooks, the request is answered and we count the fault."""
        app = self.scenario.app(predict)
        monkeypatch.setattr(f"tidegauge.carrier.{part}", boom)
        assert self.serve(app, "r-1") == "predicted"
        monkeypatch.undo()
        assert [cause.partition(":")[2] for cause in recording.faults()] == [Boom.__name__]
        assert recording.calls() == 1


def predict() -> str:
    """Call a model, as a handler does."""
    with Model("served").prediction([1.0]) as p:
        p.output = 0.5
    return "predicted"


def request_here() -> str:
    """Return the request that a prediction here and now would lead to."""
    found = get_current().get(KEY)
    return f"{found.route} {found.id}" if isinstance(found, Request) else ""


def _pair(exemplar: Exemplar) -> tuple[str, str]:
    return exemplar.http_route, exemplar.request_id
