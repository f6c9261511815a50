"""A listener that answers Prometheus's API with what a test gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request

Labels = Mapping[str, str]
#: Of an expression: its series, each with a value, or an error's text.
Answers = Callable[[str], Sequence[tuple[Labels, float]] | str]


class Listener(LoopbackServer):
    """Answers every query by ``answers``; ``rules`` are its alerting rules."""

    def __init__(self, answers: Answers, rules: Sequence[Mapping[str, Any]] = ()) -> None:
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self._answers = answers
        self._rules = rules
        super().__init__(self._answer)

    def _answer(self, request: Request) -> Reply:
        path = urlsplit(request.path).path
        self.authorizations.append(request.headers.get("Authorization", ""))
        if request.method == "POST":
            fields = parse_qs(request.body.decode())
            return self._query(path, {key: each[0] for key, each in fields.items()})
        if path == "/api/v1/rules":
            return _success({"groups": [{"rules": self._rules}]})
        return _reply(404, "no such path")

    def _query(self, path: str, fields: Mapping[str, str]) -> Reply:
        self.asked.append(fields["query"])
        found = self._answers(fields["query"])
        if isinstance(found, str):
            return _reply(400, {"status": "error", "errorType": "bad_data", "error": found})
        if path == "/api/v1/query":
            rows = [
                {"metric": labels, "value": [float(fields["time"]), str(value)]}
                for labels, value in found
            ]
            return _success({"resultType": "vector", "result": rows})
        if path == "/api/v1/query_range":
            start, end, step = (float(fields[key]) for key in ("start", "end", "step"))
            times = [start + step * number for number in range(int((end - start) / step) + 1)]
            matrix = [
                {"metric": labels, "values": [[at_s, str(value)] for at_s in times[-20:]]}
                for labels, value in found
            ]
            return _success({"resultType": "matrix", "result": matrix})
        return _reply(404, "no such path")


def _success(data: object) -> Reply:
    return _reply(200, {"status": "success", "data": data})


def _reply(status: int, answer: object) -> Reply:
    return Reply(status, body=json.dumps(answer).encode())
