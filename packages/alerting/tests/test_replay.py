"""When alerts would have fired: pure, and what an address that is no Prometheus says."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.command import CommandError
from tidegauge_alerting.alert_file import load
from tidegauge_alerting.prometheus_expression import expression
from tidegauge_alerting.replay import Firing, by_model, expressions, fires
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder

A, B = (("model_name", "a"),), (("model_name", "b"),)


(DATA_DRIFT_DETECTED,) = (
    dataclasses.replace(each, recovery=None)
    for each in load().alerts
    if each.name == "DataDriftDetected"
)


@pytest.mark.parametrize(
    ("begins", "stays", "wait", "expected"),
    [
        ([1, 2, 3, 7], None, 0, [(1, 4), (7, 8)]),
        ([1, 2, 3, 7], None, 2, [(3, 4)]),
        ([1, 2, 4, 5], None, 1, [(2, 3), (5, 6)]),
        ([1, 2], [1, 2, 3, 4], 1, [(2, 5)]),
        ([1], [1, 2, 3], 1, []),  # it does not fire, so that nothing goes on
        ([1, 2, 6], [2, 3, 5, 6], 1, [(2, 4)]),
        ([1, 5], [2, 3, 4], 0, [(1, 6)]),
        ([], [1, 2], 0, []),
    ],
)
def test_an_alert_waits_and_holds(
    begins: list[int], stays: list[int] | None, wait: int, expected: list[tuple[int, int]]
) -> None:
    """It fires after so many evaluations in a row, and ends where it neither begins nor stays."""
    found = fires({A: begins}, None if stays is None else {A: stays}, wait)
    assert ({A: expected} if expected else {}) == found


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.integers(0, 4))
def test_it_fires_as_an_evaluation_after_the_other_would(
    begins: set[int], more: set[int], wait: int
) -> None:
    """The oracle goes through the evaluations and knows what the last one said."""
    stays = begins | more
    since: int | None = None
    expected = set()
    firing = False
    for i in range(45):
        if not (i in begins or (firing and i in stays)):
            since, firing = None, False
            continue
        since = i if since is None else since
        firing = i - since >= wait
        if firing:
            expected.add(i)
    spans = fires({A: sorted(begins)}, {A: sorted(stays)}, wait).get(A, [])

    assert expected == {i for start, end in spans for i in range(start, end)}


def test_a_model_is_counted_once_whatever_features_it_is_about() -> None:
    """Firings that touch are one; what lies outside the span is cut off."""
    found = {
        (*A, ("feature", "x")): [(0, 3), (10, 12)],
        (*A, ("feature", "y")): [(3, 5), (11, 14)],
        B: [(-5, 1), (19, 30)],
    }
    assert by_model(found, (0, 20), 60, 3600) == {
        "a": Firing(2, 1, 9 * 60), "b": Firing(2, 1, 2 * 60),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "cooldown_s", "told"),
    [
        ([(0, 1)], 60, 1), ([(0, 3)], 60, 3), ([(0, 3)], 120, 2), ([(0, 2), (5, 6)], 600, 1),
        ([(0, 2), (10, 11)], 600, 2), ([(0, 12)], 600, 2), ([(0, 1), (9, 15)], 600, 2),
    ],
)  # fmt: skip
def test_it_is_said_again_when_the_cooldown_is_over(
    spans: list[tuple[int, int]], cooldown_s: int, told: int
) -> None:
    """If it fires then, or as soon as it does."""
    assert told == by_model({A: spans}, (0, 100), 60, cooldown_s)["a"].told


def test_a_recovery_is_asked_for_by_itself() -> None:
    """What was firing is found out by the replay: the server knows only what the old rule did."""
    changed = dataclasses.replace(DATA_DRIFT_DETECTED, recovery=0.1)
    begins, stays = expressions(changed)

    assert begins == expression(DATA_DRIFT_DETECTED)
    assert stays is not None
    assert "drift_psi_value > 0.1" in stays
    assert "ALERTS" in expression(changed)
    assert "ALERTS" not in begins + stays
    assert expressions(DATA_DRIFT_DETECTED) == (begins, None)


# -- the server ------------------------------------------------------------------------------------


class Server(HTTPServer):
    """Answers by a function, and keeps what it was asked."""

    def __init__(self, answer: Callable[[dict[str, str]], Any]) -> None:
        super().__init__(("127.0.0.1", 0), Fake)
        self.answer = answer
        self.asked: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Fake(BaseHTTPRequestHandler):
    """Answers as it is told, and remembers what it was asked."""

    def do_POST(self) -> None:
        """Answer a question."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        plain = {key: values[0] for key, values in asked.items()}
        assert isinstance(self.server, Server)
        self.server.asked.append({**plain, "auth": self.headers.get("Authorization", "")})
        code, body = self.server.answer(plain)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        if code in (301, 307):
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Return the maker of a server that answers as it is told."""
    made: list[tuple[Server, threading.Thread]] = []

    def make(answer: Callable[[dict[str, str]], Any]) -> Server:
        found = Server(answer)
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        made.append((found, thread))
        return found

    yield make
    for found, thread in made:
        found.shutdown()
        thread.join()
        found.server_close()


def nothing(_: dict[str, str]) -> Any:
    """Answer that there is nothing."""
    return 200, {"status": "success", "data": {"resultType": "matrix", "result": []}}


def check(url: str, *more: str) -> Recorder:
    """Run the command."""
    return commands.run("rules check", "--replay", url, *more)


def test_what_the_server_does_not_have_is_not_called_quiet(server: Callable[..., Any]) -> None:
    """No data is not the same as no alarm."""
    found = server(nothing)
    said = check(found.url, "--threshold", "DataDriftDetected=0.3")

    (row,) = [row for row in said.rows if row[0] == "DataDriftDetected"]
    assert ["DataDriftDetected", "", "not known", "not known", ""] == row
    assert (
        "DataDriftDetected is not replayed: Prometheus has no drift_psi_value of these days."
    ) in said.lines
    assert all(each["query"].startswith("count(") for each in found.asked)


def test_a_question_that_is_too_large_is_asked_in_parts(server: Callable[..., Any]) -> None:
    """Until the server takes it; no evaluation is asked twice or left out."""

    def answer(asked: dict[str, str]) -> Any:
        step = float(asked["step"])
        points = (float(asked["end"]) - float(asked["start"])) / step + 1
        if asked["query"].startswith("count("):
            values = [[float(asked["end"]), "1"]]
            return 200, {"status": "success", "data": {
                "resultType": "matrix", "result": [{"metric": {}, "values": values}]}}  # fmt: skip
        if points > 300:
            error = "exceeded maximum resolution of 11,000 points per timeseries"
            return 400, {"status": "error", "errorType": "bad_data", "error": error}
        return nothing(asked)

    found = server(answer)
    check(found.url, "--days", "1", "--threshold", "DataDriftDetected=0.3")
    asked = [each for each in found.asked if "drift_psi_value > 0.3" in each["query"]]
    spans = [(float(each["start"]), float(each["end"])) for each in asked]
    spans = [(start, end) for start, end in spans if (end - start) / 60 < 300]

    assert all(b[0] == a[1] + 60 for a, b in itertools.pairwise(spans))
    assert spans[-1][1] - spans[0][0] == 86_400 + 60  # and what may be pending at first


@pytest.mark.parametrize(
    ("content", "expected"),
    [("ann:secret", "Basic YW5uOnNlY3JldA=="), ("tok.en\n", "Bearer tok.en")],
)
def test_credentials_come_from_a_file_or_a_variable(
    server: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    content: str, expected: str,
) -> None:  # fmt: skip
    """And are in no message."""
    found = server(nothing)
    (tmp_path / "auth").write_text(content)
    monkeypatch.setenv("REPLAY_AUTH", content)
    said = check(found.url, "--auth-file", str(tmp_path / "auth"))
    said_too = check(found.url, "--auth-env", "REPLAY_AUTH")

    assert {expected} == {each["auth"] for each in found.asked}
    assert content.strip() not in said.text + said_too.text


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (401, b"", "got HTTP 401; expected leave to ask it. Pass other credentials"),
        (403, {"error": "x"}, "got HTTP 403; expected leave to ask it."),
        (404, b"<html>", "got HTTP 404; expected an answer of its API."),
        (200, b"<html>", "got an answer that is none of its API"),
        (200, {"status": "error"}, "got an answer that is none of its API"),
        (503, b"", "got HTTP 503"),
    ],
)
def test_what_is_no_answer_is_one_clear_line(
    server: Callable[..., Any], code: int, body: Any, words: str
) -> None:
    """With the address, and what to do."""
    found = server(lambda _: (code, body))
    with pytest.raises(CommandError) as caught:
        check(found.url)
    assert f"Prometheus at {found.url}: {words}" in str(caught.value)


def test_credentials_follow_no_redirect(server: Callable[..., Any], tmp_path: Path) -> None:
    """They are for the address that they were given with."""
    found = server(lambda _: (307, b""))
    (tmp_path / "auth").write_text("token")
    with pytest.raises(CommandError, match="got HTTP 307"):
        check(found.url, "--auth-file", str(tmp_path / "auth"))


def test_an_expression_that_is_refused_costs_its_own_alert(server: Callable[..., Any]) -> None:
    """422: the others are replayed."""

    def answer(asked: dict[str, str]) -> Any:
        if asked["query"].startswith("count("):
            values = [[float(asked["end"]), "1"]]
            return 200, {"status": "success", "data": {
                "resultType": "matrix", "result": [{"metric": {}, "values": values}]}}  # fmt: skip
        if "psi" in asked["query"]:
            return 422, {"status": "error", "errorType": "execution", "error": "many-to-many"}
        return nothing(asked)

    said = check(server(answer).url, "--days", "1")
    assert ["InputDrift", "", "never", "never", ""] in said.rows
    (line,) = [line for line in said.lines if line.startswith("DataDriftDetected is not")]
    assert line.endswith("refuses it: execution: many-to-many.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--replay", "ftp://x"), "--replay: got 'ftp://x' from the argument; expected the http"),
        (("--replay", "http://u:p@x"), "--replay: got more than an address of x from the argument"),
        (("--replay", "http://x", "--days", "0"), "--days: got 0 from the argument; expected an"),
        (("--replay", "http://x", "--step", "0"), "--step: got 0 from the argument; expected an"),
        (("--replay", "http://x", "--auth-file", "/no"), "--auth-file, --auth-env: secret: got no"),
        (("--replay", "http://127.0.0.1:1"), "Prometheus at http://127.0.0.1:1: got no answer"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_clear_line(words: tuple[str, ...], said: str) -> None:
    """Before anything is asked."""
    with pytest.raises(CommandError) as caught:
        commands.run("rules check", *words)
    assert str(caught.value).startswith(said)
