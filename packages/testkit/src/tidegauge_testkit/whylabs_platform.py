"""A local HTTP server in the place of a WhyLabs platform: it keeps what it gets, answers as told.

What WhyLabs' own client could not have sent is answered with 400 and kept in ``faults``.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from http import HTTPStatus
from typing import Any

from tidegauge_testkit.backends import loopback_server
from tidegauge_testkit.backends.loopback_server import LoopbackServer, Request
from tidegauge_testkit.backends.process import wait_until

KEY = "0123456789.abcdefghijklmnop"
_LIMIT_S = 60.0
_LOG = "/v1/log/async"
_REFERENCE = re.compile(r"/v0/organizations/(?P<org>[^/]+)/log/reference/(?P<dataset>[^/]+)")
_UPLOAD = re.compile(r"/upload/(\d+)\?signature=s3cr3t")
_MAGIC = b"WHY1"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``hangs``: none comes before the server stops; ``drops``: the connection ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hangs: bool = False
    drops: bool = False


@dataclass(slots=True)
class Upload:
    """A profile that was announced; ``content`` is empty until it has come whole."""

    dataset: str
    timestamp_ms: int
    alias: str = ""
    org: str = ""
    content: bytes = b""


class WhylabsPlatform(LoopbackServer):
    """The server, on a free port of loopback, in threads of this process.

    ``replies`` are given to requests in their order, then it answers as the platform does.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        _models()  # now: whoever sends first would wait for them
        self.replies: deque[Reply] = deque()
        #: What was wrong with requests.
        self.faults: list[str] = []
        #: Method, path and time (monotonic) of each request.
        self.requests: list[tuple[str, str, float]] = []
        self._announced: list[Upload] = []

    def uploads(self) -> list[Upload]:
        """Return the profiles that have come whole, in the order of their announcement."""
        return [each for each in list(self._announced) if each.content]

    def wait_for(self, number: int) -> list[Upload]:
        """Return the profiles once there are so many."""
        return wait_until(
            lambda: found if len(found := self.uploads()) >= number else None,
            f"{number} profiles",
            _LIMIT_S,
        )

    def _answer(self, request: Request) -> loopback_server.Reply:
        self.requests.append((request.method, request.path, request.at_s))
        reply = self.replies.popleft() if self.replies else Reply()
        body = reply.body
        if reply.status == HTTPStatus.OK and body is None and not (reply.hangs or reply.drops):
            try:
                body = self._take(request)
            except ValueError as error:
                self.faults.append(f"{request.method} {request.path}: {error}")
                reply, body = Reply(400), str(error).encode()
        return loopback_server.Reply(
            reply.status, reply.headers, body or b"", hangs=reply.hangs, drops=reply.drops
        )

    def _take(self, request: Request) -> bytes:
        headers = Message()  # names in any case
        for name, value in request.headers.items():
            headers[name] = value
        if request.method == "PUT":
            return self._put(request.path, headers, request.body)
        _expect("X-API-Key", headers["X-API-Key"], KEY)
        _expect("Content-Type", headers["Content-Type"], "application/json")
        body = json.loads(request.body)
        reference = _REFERENCE.fullmatch(request.path)
        if reference is not None:
            checked("reference", body)
            upload = Upload(
                reference["dataset"], body["datasetTimestamp"], body["alias"], reference["org"]
            )
        else:
            _expect("path", request.path, _LOG)
            _expect("X-WhyLabs-File-Extension", headers["X-WhyLabs-File-Extension"], "BIN")
            checked("log", body)
            if not headers["X-WHYLABS-RESOURCE"]:
                raise ValueError("X-WHYLABS-RESOURCE: got nothing; expected a dataset")
            upload = Upload(headers["X-WHYLABS-RESOURCE"], body["datasetTimestamp"])
        self._announced.append(upload)
        number = len(self._announced)
        answer = {
            "id": f"log-{number}",
            "modelId": upload.dataset,
            "uploadTimestamp": 1_795_089_600_000,
            "uploadUrl": f"{self.url}/upload/{number}?signature=s3cr3t",
        }
        return json.dumps(answer).encode()

    def _put(self, path: str, headers: Any, raw: bytes) -> bytes:
        found = _UPLOAD.fullmatch(path)
        if found is None:
            raise ValueError(f"path: got {path!r}; expected one that was given")
        _expect("Content-Type", headers["Content-Type"], "application/octet-stream")
        _expect("X-API-Key", headers["X-API-Key"], None)
        _expect("body", raw[: len(_MAGIC)], _MAGIC)
        self._announced[int(found[1]) - 1].content = raw
        return b""


def _expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise ValueError(f"{what}: got {got!r}; expected {expected!r}")


@cache
def _models() -> dict[str, Any]:
    # Only the tests of one package have it.
    from whylabs_client.model.log_async_request import LogAsyncRequest  # noqa: PLC0415
    from whylabs_client.model.log_reference_request import LogReferenceRequest  # noqa: PLC0415

    return {"log": LogAsyncRequest, "reference": LogReferenceRequest}


def checked(kind: str, body: Any) -> Any:
    """Return a request's body as the model of WhyLabs' own client.

    Raises
    ------
    ValueError
        It has a key or a type that the model does not allow, or lacks one.
    """
    from whylabs_client import Configuration, exceptions, model_utils  # noqa: PLC0415 - as above

    model = _models()[kind]
    convert: Any = model_utils.validate_and_convert_types
    try:
        found = convert(body, (model,), ["body"], True, True, Configuration())
    except (exceptions.ApiTypeError, exceptions.ApiValueError, TypeError) as error:
        raise ValueError(str(error)) from error
    unknown = set(body) - set(model.attribute_map.values())
    if unknown:
        raise ValueError(f"got keys {unknown}; expected {sorted(model.attribute_map.values())}")
    return found
