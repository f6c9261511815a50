"""The API of a WhyLabs platform: ask where to put a profile, and put it there.

Not by whylogs' own writer: it raises or blocks for minutes when the platform is down, and of its
two requests it never repeats the first.
"""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from tidegauge import answers, clock, misconfiguration
from tidegauge.answers import Outcome
from tidegauge.http_exchange import Answer, Exchange

from tidegauge_exporter_whylabs.naming import ProfileId
from tidegauge_exporter_whylabs.settings import shared_dataset
from tidegauge_exporter_whylabs.writer import DELIVERED, Written

_logger = logging.getLogger("tidegauge")
_LOG = "/v1/log/async"
_REFERENCE = "/v0/organizations/{org}/log/reference/{dataset}"
# Of an answer with a signed URL; such URLs have some thousand characters.
_MOST_BYTES = 65_536
_KEY_WRONG = (401, 403)
_SETTING, _ADVICE = "WHYLABS_API_ENDPOINT", "Look at it and at the datasets' ids."


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the API is, the key that lets in, and whose profiles they are.

    ``datasets`` are those of models, by the name that their files have; ``default`` is for others.
    """

    url: str
    api_key: str = field(repr=False)
    org: str = ""
    default: str = ""
    datasets: Mapping[str, str] = field(default_factory=dict)

    def dataset(self, model: str) -> str:
        """Return the dataset of a model; empty where there is none."""
        return self.datasets.get(model, self.default)


class ApiWriter:
    """Sends profiles to a platform.

    Parameters
    ----------
    platform : Platform
        Where to.
    timeout_s : float
        For each step: to connect, and for each piece of the answer.
    """

    def __init__(
        self, platform: Platform, timeout_s: float, wall: Callable[[], float] = clock.system
    ) -> None:
        self._platform = platform
        self._exchange = Exchange(timeout_s, platform.api_key, _MOST_BYTES)
        self._wall = wall
        # The models without a dataset of their own, until there are two.
        self._by_default: set[str] = set()
        self.where = platform.url

    def write(self, stem: str, content: bytes) -> Written:
        """Send a profile to its model's dataset."""
        found = ProfileId.parse(stem)
        dataset = "" if found is None else self._platform.dataset(found.model)
        if found is None or not dataset:
            return Written(
                Outcome.REFUSED, "a profile of a model without a dataset",
                "TIDEGAUGE_WHYLABS_DATASETS",
                f"Set it to {found.model if found else '<model>'}=<dataset>.",
            )  # fmt: skip
        if found.model not in self._platform.datasets:
            self._warn_if_shared(found.model)
        body = {"datasetTimestamp": found.start_s * 1000, "segmentTags": [], "region": None}
        headers = {"X-WHYLABS-RESOURCE": dataset, "X-WhyLabs-File-Extension": "BIN"}
        return self._send(_LOG, body, headers, content)

    def _warn_if_shared(self, model: str) -> None:
        if len(self._by_default) <= 1:
            self._by_default.add(model)
            if len(self._by_default) > 1:
                message = shared_dataset(self._platform.default, sorted(self._by_default))
                _logger.warning("%s", message)
                misconfiguration.note("TIDEGAUGE_WHYLABS_DATASETS", message)

    def write_reference(self, alias: str, start_s: float, dataset: str, content: bytes) -> Written:
        """Send a reference profile, by the name under which the platform shows it."""
        org = quote(self._platform.org, safe="")
        path = _REFERENCE.format(org=org, dataset=quote(dataset, safe=""))
        body = {"alias": alias, "datasetTimestamp": int(start_s * 1000), "region": None}
        return self._send(path, body, {}, content)

    def _send(self, path: str, body: object, headers: Mapping[str, str], content: bytes) -> Written:
        try:
            answer = self._exchange.send(
                "POST", self._platform.url + path, json.dumps(body).encode(),
                {"Content-Type": "application/json", "Accept": "application/json",
                 "X-API-Key": self._platform.api_key, **headers},
            )  # fmt: skip
            if answers.outcome(answer.status) is not Outcome.DELIVERED:
                return self._written(answer)
            upload = _upload_url(answer.body)
            if not upload:
                return Written(Outcome.REFUSED, "an answer without an uploadUrl", _SETTING, _ADVICE)
            # Without the key: the URL is signed, and may be of somebody else.
            put = self._exchange.send(
                "PUT", upload, content, {"Content-Type": "application/octet-stream"}
            )
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            # Its text may hold the signed URL.
            return Written(Outcome.LATER, type(reason).__name__, _SETTING, _ADVICE)
        return self._written(put, uploading=True)

    def _written(self, answer: Answer, *, uploading: bool = False) -> Written:
        outcome = answers.outcome(answer.status)
        if outcome is Outcome.DELIVERED:
            return DELIVERED
        got = f"HTTP {answer.status} {answer.reason}" + (" (upload)" if uploading else "")
        if uploading:
            # The signed URL is asked for anew: it may only have been too old.
            return Written(Outcome.LATER, got, _SETTING, _ADVICE, self._told_s(answer))
        if outcome is Outcome.LATER:
            return Written(outcome, got, _SETTING, _ADVICE, self._told_s(answer))
        if answer.said:
            got += f" ({answer.said})"
        if answer.status in _KEY_WRONG:
            advice = "Set it to a key that your platform has made for this organisation."
            return Written(Outcome.REFUSED, got, "WHYLABS_API_KEY", advice)
        return Written(Outcome.REFUSED, got, _SETTING, _ADVICE)

    def _told_s(self, answer: Answer) -> float | None:
        return answers.told_wait_s(answer.headers, self._wall())


def _upload_url(text: str) -> str:
    try:
        found = json.loads(text)["uploadUrl"]
        scheme = urlsplit(found).scheme
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return found if scheme in {"http", "https"} else ""
