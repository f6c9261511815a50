"""One request to Datadog's HTTP API.

Not by the ``datadog`` package: its client has one key and one host for the whole process, which may
be the app's own; it hides errors, waits for 60 s, tries again on its own, does not compress, and
follows redirects with the key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegauge.http_exchange import Answer, Exchange

from tidegauge_exporter_datadog.payload import Parcel


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests go, and the key that lets them in."""

    url: str
    api_key: str = field(repr=False)


class Poster:
    """Sends requests.

    Parameters
    ----------
    destination : Destination
        Where to.
    timeout_s : float
        For each step: to connect, and for each piece of the answer.
    """

    def __init__(self, destination: Destination, timeout_s: float) -> None:
        self._destination = destination
        self._exchange = Exchange(timeout_s, destination.api_key)

    def post(self, parcel: Parcel) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises
        ------
        OSError, http.client.HTTPException
            There is no answer.
        """
        headers = {"Content-Type": "application/json", "DD-API-KEY": self._destination.api_key}
        if parcel.compressed:
            headers["Content-Encoding"] = "deflate"
        return self._exchange.send(
            "POST", self._destination.url + parcel.path, parcel.body, headers
        )
