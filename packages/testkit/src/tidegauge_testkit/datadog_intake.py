"""A local HTTP server in the place of Datadog's API: it keeps what it gets, and answers as told.

What Datadog's own client could not have sent is answered with 400, as the API does.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request
from tidegauge_testkit.backends.process import wait_until

_LIMIT_S = 60.0

__all__ = ["DatadogIntake", "Posted", "Reply", "modelled"]


@dataclass(frozen=True, slots=True)
class Posted:
    """One request; ``body`` is its JSON, ``size_bytes`` its length as it came.

    ``status`` is what it was answered with, 0 where it was not.
    """

    status: int
    at_s: float
    path: str
    headers: Mapping[str, str]
    body: Any
    size_bytes: int


class DatadogIntake(LoopbackServer):
    """The server, on a free port of loopback, in threads of this process.

    Answers in ``replies`` are given in their order, then 202 for ever. What is over
    ``most_bytes`` is answered with 413, as the API does.
    """

    def __init__(self, most_bytes: int = 3_200_000) -> None:
        _models()  # now: whoever sends first would wait for them
        self.replies: deque[Reply] = deque()
        #: What was wrong with requests, by Datadog's own models.
        self.faults: list[str] = []
        self._most_bytes = most_bytes
        self._posted: list[Posted] = []
        super().__init__(self._answer)

    def _answer(self, request: Request) -> Reply:
        deflated = request.headers.get("Content-Encoding") == "deflate"
        body = json.loads(zlib.decompress(request.body) if deflated else request.body)
        reply = self.replies.popleft() if self.replies else Reply()
        if len(request.body) > self._most_bytes:
            reply = Reply(413, body=b'{"errors":["Payload too large"]}')
        try:
            modelled(request.path, body)
        except ValueError as error:
            self.faults.append(str(error))
            reply = Reply(400, body=json.dumps({"errors": [str(error)]}).encode())
        status = 0 if reply.hangs else reply.status
        self._posted.append(
            Posted(status, request.at_s, request.path, request.headers, body, len(request.body))
        )
        return reply

    def posted(self, path: str | None = None) -> list[Posted]:
        """Return the requests that came (to one path), in their order."""
        return [each for each in list(self._posted) if path in (None, each.path)]

    def wait_for(self, number: int, path: str | None = None) -> list[Posted]:
        """Return the requests once there are so many."""
        return wait_until(
            lambda: found if len(found := self.posted(path)) >= number else None,
            f"{number} requests",
            _LIMIT_S,
        )

    def taken(self, path: str) -> list[Posted]:
        """Return the requests to one path that were answered with success."""
        return [each for each in self.posted(path) if each.status in range(200, 300)]

    def series(self, path: str) -> list[dict[str, Any]]:
        """Return all series of one path that were taken."""
        return [series for taken in self.taken(path) for series in taken.body["series"]]


@cache
def _models() -> dict[str, Any]:
    # Only the tests of one package have it; all of its models would take seconds.
    from datadog_api_client.v1.model.distribution_points_payload import (  # noqa: PLC0415
        DistributionPointsPayload,
    )
    from datadog_api_client.v1.model.event_create_request import (  # noqa: PLC0415
        EventCreateRequest,
    )
    from datadog_api_client.v1.model.metrics_payload import MetricsPayload  # noqa: PLC0415

    return {
        "/api/v1/series": MetricsPayload,
        "/api/v1/distribution_points": DistributionPointsPayload,
        "/api/v1/events": EventCreateRequest,
    }


def modelled(path: str, body: Any) -> Any:
    """Return a request's body as the model of Datadog's own client.

    Raises
    ------
    ValueError
        It has a key, a type or a length that the model does not allow.
    """
    from datadog_api_client import exceptions, model_utils  # noqa: PLC0415 - as below

    kinds = _models()
    if path not in kinds:
        raise ValueError(f"path: got {path!r}; expected one of {', '.join(kinds)}")
    convert: Any = model_utils.validate_and_convert_types
    try:
        found = convert(body, (kinds[path],), ["body"], True, True)
    except (exceptions.ApiTypeError, exceptions.ApiValueError, TypeError) as error:
        raise ValueError(str(error)) from error
    raw = [body, *body.get("series", ())]
    models_of = [found, *getattr(found, "series", ())]
    unknown = [
        key
        for keys, model in zip(raw, models_of, strict=True)
        for key in keys
        if key not in model.attribute_map
    ]
    if found._unparsed or unknown:  # noqa: SLF001 - the only sign of a value that is not allowed
        raise ValueError(f"got keys {unknown} or a value that is not among those allowed")
    return found
