"""A job's metrics are left at a Pushgateway when it ends: nobody can scrape it afterwards."""

from __future__ import annotations

import logging
import os
import threading
import urllib.error
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from prometheus_client import Metric as Family
from prometheus_client.exposition import basic_auth_handler, default_handler, push_to_gateway
from tidegauge import guard
from tidegauge.http_exchange import on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_logger = logging.getLogger(__name__)

_ANSWER = 200  # characters of what the gateway says
_BY_STATUS = {
    400: "Look for another job that pushes the same metrics with other types or labels",
    401: "Put name and password into TIDEGAUGE_PROMETHEUS_PUSHGATEWAY: https://name:password@host",
    403: "Put name and password into TIDEGAUGE_PROMETHEUS_PUSHGATEWAY: https://name:password@host",
    404: "Check that TIDEGAUGE_PROMETHEUS_PUSHGATEWAY names one, with its path if it has one",
}
_BY_DEFAULT = "Look at the gateway's log"


@dataclass(frozen=True, slots=True)
class Address:
    """A Pushgateway's URL without what is secret in it."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``http[s]://[user[:password]@]host[:port][/path]``; ValueError for anything else."""
        if "://" not in text:
            text = f"http://{text}"
        parts = urlsplit(text)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.query
            or parts.fragment
        ):
            raise ValueError
        return cls(
            _without_user(parts), unquote(parts.username or ""), unquote(parts.password or "")
        )


def _without_user(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"  # .port raises ValueError for a bad one
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path.rstrip("/"), "", ""))


class _Families:
    """A registry, as prometheus_client's functions want it."""

    def __init__(self, found: Sequence[Family]) -> None:
        self._found = found

    def collect(self) -> Iterable[Family]:
        return self._found


class Push:
    """Pushes in a thread of its own, so that a gateway which hangs cannot hang the job.

    The thread is there from the beginning: at the end of a process none can be started any more.

    Parameters
    ----------
    address : Address
        Where to.
    collect : callable
        Returns the families to push.
    """

    def __init__(self, address: Address, collect: Callable[[], Sequence[Family]]) -> None:
        self._address = address
        self._collect = collect
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(
            target=_serve, args=(self._work,), name="tidegauge-push", daemon=True
        ).start()

    def now(self, job: str, instance: str, timeout_s: float) -> None:
        """Replace what the gateway has of this job and instance; never raises, always in time."""
        done = threading.Event()
        work = partial(self._push, job, instance, timeout_s, done)
        try:
            if self._pid != os.getpid():
                self._start()  # a forked child has no thread but its own
            self._work.put(work)
        except RuntimeError:  # and none can be started any more
            work()
        if not done.wait(timeout_s):
            self._failed(
                f"got no answer in {timeout_s:g} s",
                "Check that it can be reached; a job waits for TIDEGAUGE_SHUTDOWN_TIMEOUT_S",
            )

    def _push(self, job: str, instance: str, timeout_s: float, done: threading.Event) -> None:
        try:
            self._send(job, instance, timeout_s)
        except urllib.error.HTTPError as error:
            said = on_one_line(error.read(_ANSWER * 4).decode(errors="replace"))[:_ANSWER]
            got = f"got HTTP {error.code} {on_one_line(str(error.reason))}"
            got += f" ({said})" if said else ""
            self._failed(got, _BY_STATUS.get(error.code, _BY_DEFAULT))
        except OSError as error:
            reason = getattr(error, "reason", error)
            self._failed(f"got {reason}", "Check that it runs and that its URL is right")
        except Exception as error:
            guard.fault("prometheus.push", error)
        else:
            _logger.debug("Pushed the metrics of job %r to %s.", job, self._address.url)
        finally:
            done.set()

    def _send(self, job: str, instance: str, timeout_s: float) -> None:
        found = self._collect()
        user, password = self._address.user, self._address.password
        handler: Any = default_handler
        if user or password:
            handler = partial(basic_auth_handler, username=user, password=password)
        push_to_gateway(
            self._address.url,
            job,
            _Families(found),
            grouping_key={"instance": instance},
            timeout=timeout_s,
            handler=handler,
        )

    def _failed(self, got: str, advice: str) -> None:
        guard.once(
            "prometheus.push",
            "Pushgateway %s: %s; expected it to take this job's metrics. They are lost, the job is "
            "not affected. %s.",
            self._address.url,
            got,
            advice,
            level=logging.ERROR,
        )


def _serve(work: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        work.get()()
