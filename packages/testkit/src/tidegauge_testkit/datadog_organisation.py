"""A local HTTP server in the place of Datadog's API for monitors and dashboards.

It is strict, and has a memory: it takes what the models of Datadog's own client and the grammar of
its reference allow, refuses everything else with 400, and gives back what it was given with the
defaults that Datadog adds.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request
from tidegauge_testkit.datadog_monitors import check_dashboard, check_monitor, groups_of

_DEFAULT_PAGE = 100
_DEFAULTS = {
    "notify_audit": False, "silenced": {}, "new_host_delay": 300, "notify_no_data": False,
}  # fmt: skip
_DASHBOARDS = "/api/v1/dashboard"
_LIST = {"monitor_tags", "id_offset", "page", "page_size", "name", "tags"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; ``status`` is what it was answered with, 0 where it was not."""

    method: str
    path: str
    body: Any
    status: int


class _RefusedError(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class DatadogOrganisation(LoopbackServer):
    """The server, on a free port of loopback, in threads of this process.

    Answers in ``replies`` are given in their order, in the place of the real ones; ``None`` in it
    lets one request through. With ``loses_answers`` what is asked is done, but not answered.
    ``takes_duplicates``: a monitor that is the same as another in everything is no mistake.
    """

    def __init__(self, api_key: str, app_key: str, *, takes_duplicates: bool = False) -> None:
        super().__init__(self._answer)
        check_monitor(_ANY)  # now: whoever asks first would wait for the models
        self.keys = (api_key, app_key)
        self.takes_duplicates = takes_duplicates
        self.replies: deque[Reply | None] = deque()
        self.loses_answers = 0
        #: The monitors by their numbers, as the API gives them back.
        self.monitors: dict[int, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        #: Metrics whose tags somebody has configured: whether percentiles are on.
        self.percentiles: dict[str, bool] = {}
        self.asked: list[Asked] = []
        self._numbers = itertools.count(1001)
        self._lock = threading.Lock()

    def writes(self) -> list[Asked]:
        """Return the requests that would change something."""
        return [
            each
            for each in list(self.asked)
            if each.method != "GET" and not each.path.endswith("/validate")
        ]

    def named(self, name: str) -> dict[str, Any]:
        """Return the only monitor of a name."""
        (found,) = [each for each in self.monitors.values() if each["name"] == name]
        return found

    def add(self, **body: Any) -> int:
        """Add a monitor as somebody else would, and return its number."""
        with self._lock:
            return int(self._create({**_ANY, **body})["id"])

    def _answer(self, request: Request) -> Reply:
        method, path = request.method, request.path
        body = json.loads(request.body) if request.body else None
        with self._lock:
            scripted = self.replies.popleft() if self.replies else None
            reply = scripted or self._real(method, path, request.headers, body)
            if scripted is None and self.loses_answers and method != "GET":
                self.loses_answers -= 1
                reply = Reply(hangs=True)
            status = 0 if reply.hangs else reply.status
            self.asked.append(Asked(method, path, body, status))
            return reply

    def _real(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Reply:
        lower = {name.lower(): value for name, value in headers.items()}
        if (lower.get("dd-api-key"), lower.get("dd-application-key")) != self.keys:
            return Reply(403, body=b'{"errors":["Forbidden"]}')
        try:
            found = self._routed(method, urlsplit(path), body)
        except _RefusedError as error:
            return Reply(error.status, body=json.dumps({"errors": [str(error)]}).encode())
        return Reply(200, body=json.dumps(found).encode())

    def _routed(self, method: str, address: Any, body: Any) -> Any:
        if address.path.startswith(_DASHBOARDS):
            return self._dashboard(method, address.path.removeprefix(_DASHBOARDS), body)
        if metric := re.fullmatch(r"/api/v2/metrics/([\w.]+)/tags", address.path):
            return self._tags(metric[1])
        if validated := re.fullmatch(r"/api/v1/monitor/(?:(\d+)/)?validate", address.path):
            self._check(body, self.monitors[int(validated[1])] if validated[1] else None)
            return {}
        if address.path == "/api/v1/monitor":
            if method == "POST":
                return self._create(body)
            return self._list(parse_qs(address.query, strict_parsing=True))
        numbered = re.fullmatch(r"/api/v1/monitor/(\d+)", address.path)
        if numbered is None or int(numbered[1]) not in self.monitors:
            raise _RefusedError(404, "Monitor not found")
        return self._monitor(method, int(numbered[1]), body)

    def _monitor(self, method: str, number: int, body: Any) -> Any:
        match method:
            case "PUT":
                self._check(body, self.monitors[number])
                self.monitors[number] |= self._kept(body)
            case "DELETE":
                self._delete(number)
                return {"deleted_monitor_id": number}
        return self.monitors[number]

    def _tags(self, metric: str) -> Any:
        if metric not in self.percentiles:
            raise _RefusedError(404, "Not Found")
        configured = {"include_percentiles": self.percentiles[metric]}
        return {"data": {"type": "manage_tags", "id": metric, "attributes": configured}}

    def _dashboard(self, method: str, path: str, body: Any) -> Any:
        identity = path.removeprefix("/")
        if identity and identity not in self.dashboards:
            raise _RefusedError(404, f"Dashboard with ID {identity} not found")
        if method in ("POST", "PUT"):
            try:
                check_dashboard(body)
            except (ValueError, KeyError, TypeError) as error:
                raise _RefusedError(400, str(error)) from error
            identity = identity or f"abc-{next(self._numbers)}"
            made = copy.deepcopy(body)
            for place, group in enumerate(made["widgets"]):
                group["id"] = place
                for number, each in enumerate(group["definition"]["widgets"]):
                    each["id"] = 100 * place + number
            before = self.dashboards.get(identity, {})
            at = before.get("created_at", f"2026-01-01T00:00:{next(self._numbers)}Z")
            self.dashboards[identity] = {
                **made, "id": identity, "created_at": at, "notify_list": None, "url": "/x",
            }  # fmt: skip
        elif method == "DELETE":
            del self.dashboards[identity]
            return {"deleted_dashboard_id": identity}
        elif not identity:
            keys = ("id", "title", "description", "created_at")
            short = [{key: each.get(key) for key in keys} for each in self.dashboards.values()]
            return {"dashboards": list(reversed(short))}
        return self.dashboards[identity]

    def _list(self, asked: dict[str, list[str]]) -> list[dict[str, Any]]:
        if set(asked) - _LIST:
            raise _RefusedError(400, f"unknown parameters: {sorted(set(asked) - _LIST)}")
        found = [self.monitors[number] for number in sorted(self.monitors)]
        wanted = set(asked.get("monitor_tags", [""])[0].split(",")) - {""}
        found = [each for each in found if wanted <= set(each["tags"])]
        size = int(asked.get("page_size", [_DEFAULT_PAGE])[0])
        if "id_offset" in asked:
            after = int(asked["id_offset"][0])
            return [each for each in found if each["id"] > after][:size]
        if "page" in asked:
            first = int(asked["page"][0]) * size
            return found[first : first + size]
        return found

    def _create(self, body: Any) -> dict[str, Any]:
        self._check(body, None)
        kept = self._kept(body)
        for number, each in self.monitors.items():
            same = all(each.get(key) == value for key, value in kept.items())
            if same and not self.takes_duplicates:
                raise _RefusedError(400, f"Duplicate of an existing monitor_id:{number} org_id:1")
        number = next(self._numbers)
        made = {
            "id": number, "created": "2026-01-01T00:00:00.000000+00:00", "deleted": None,
            "multi": bool(groups_of(body["query"])), "overall_state": "No Data",
            "restricted_roles": None, **kept,
        }  # fmt: skip
        self.monitors[number] = made
        return made

    def _check(self, body: Any, before: dict[str, Any] | None) -> None:
        try:
            check_monitor(body)
        except (ValueError, KeyError, TypeError) as error:
            raise _RefusedError(400, str(error)) from error
        if before is not None and body["type"] != before["type"]:
            raise _RefusedError(400, "Changing the type of a monitor is not allowed")
        if body["type"] != "composite":
            return
        for number in map(int, re.findall(r"\d+", body["query"])):
            part = self.monitors.get(number)
            if part is None or part["type"] == "composite":
                raise _RefusedError(400, f"monitor {number} can be no part of a composite")

    def _kept(self, body: Any) -> dict[str, Any]:
        kept = copy.deepcopy(body)
        kept["options"] = {**_DEFAULTS, **kept.get("options", {})}
        kept["tags"] = list(reversed(kept.get("tags", [])))
        return dict(kept)

    def _delete(self, number: int) -> None:
        for each in self.monitors.values():
            if each["type"] == "composite" and str(number) in re.findall(r"\d+", each["query"]):
                said = f"monitor [{number},{each['name']}] is referenced in composite monitors"
                raise _RefusedError(400, said)
        del self.monitors[number]


_ANY: dict[str, Any] = {
    "name": "somebody's", "type": "query alert", "message": "", "tags": ["team:risk"],
    "query": "avg(last_5m):avg:system.load.1{*} > 5", "options": {"thresholds": {"critical": 5}},
}  # fmt: skip
