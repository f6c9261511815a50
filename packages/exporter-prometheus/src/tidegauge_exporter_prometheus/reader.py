"""The metric reader: collects when it is scraped."""

from __future__ import annotations

import _thread
import logging
import os
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from tidegauge import guard
from tidegauge.group import current
from tidegauge.misconfiguration import misconfigured
from tidegauge.otel_private import has_callbacks, resource
from tidegauge.runtime import shared
from tidegauge.settings import SettingError

from tidegauge_exporter_prometheus import readers, settings
from tidegauge_exporter_prometheus.exchange import Exchange
from tidegauge_exporter_prometheus.exposition import Unavailable
from tidegauge_exporter_prometheus.mapping import collection
from tidegauge_exporter_prometheus.push import Push
from tidegauge_exporter_prometheus.sharing import SharedCall
from tidegauge_exporter_prometheus.transport import Listener
from tidegauge_exporter_prometheus.wsgi import METRICS_PATH, application

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from tidegauge_exporter_prometheus.aggregates import Collection

_logger = logging.getLogger(__name__)

# As long as Prometheus waits by default.
COLLECT_TIMEOUT_S = 10.0
# An exit waits no longer for a collection that is under way.
_FLUSH_TIMEOUT_S = 1.0
# A forked child may end or exec at once: it does nothing before.
REVIVAL_S = 2.0

# Where the service has no name.
_JOB = "tidegauge"

_SHUT_DOWN = "This Prometheus reader is shut down: the app is about to end."
_NO_PROVIDER = "This Prometheus reader has no MeterProvider yet: pass it in metric_readers."


class PrometheusReader(MetricReader):
    """Shows a MeterProvider's metrics, and Tidegauge's, on a Prometheus endpoint.

    The constructor never raises: a bad setting is one ERROR line and leaves the endpoint without
    a port of its own.

    Parameters
    ----------
    host, port, listen
        Where to listen, and whether at all; by default ``OTEL_EXPORTER_PROMETHEUS_HOST``,
        ``OTEL_EXPORTER_PROMETHEUS_PORT`` and ``TIDEGAUGE_PROMETHEUS_LISTEN``. Port 0 takes any
        free one.
    registry
        A prometheus_client registry whose metrics are shown too.
    pushgateway
        The URL of a Pushgateway that gets the metrics at the end, instead of listening; by default
        ``TIDEGAUGE_PROMETHEUS_PUSHGATEWAY``.
    """

    #: A scrape may reach any process of a launch: each answers for all.
    pulled = True

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        listen: bool | None = None,
        registry: CollectorRegistry | None = None,
        pushgateway: str | None = None,
        **unknown: object,
    ) -> None:
        super().__init__()
        self._registry = registry
        self._settings: settings.PrometheusSettings | None = None
        self._listener: Listener | None = None
        self._push: Push | None = None
        #: Whether a process has this reader from its parent, and its port where any was right.
        self.inherited = False
        self._inherited_port = 0
        self._shut_down = False
        # What collect() hands over, by the thread that called it.
        self._received = threading.local()
        # The provider's own callback: the app's instruments without Tidegauge's metrics.
        self._provider_collect: Callable[..., MetricsData | None] | None = None
        self._has_provider = False
        #: Which reader of its process this is: the same in all workers of a launch.
        self.number: int = readers.take_number()
        self._exchange = Exchange(self.number, self._collect_others, self._has_callbacks)
        self._shared_collection = SharedCall(self._collection)
        if unknown:
            misconfigured(
                _logger,
                "tidegauge_prometheus",
                f"tidegauge_prometheus: got the unknown options {', '.join(sorted(unknown))}; "
                "expected host, port, listen, registry or pushgateway. They have no effect: "
                "remove them.",
            )
        try:
            self._settings = settings.read(
                host=host, port=port, listen=listen, pushgateway=pushgateway
            )
        except SettingError as error:
            message = f"{error} The Prometheus endpoint does not listen."
            misconfigured(_logger, error.subject, message)
        if hasattr(os, "register_at_fork"):
            after = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := after()) and method())
        readers.enter(self)
        with guard.guarded("prometheus.start"):
            if self._settings is not None and self._settings.pushgateway is not None:
                self._push = Push(self._settings.pushgateway, lambda: readers.expose([self]))
            elif self._listens and not current().helper:
                self.start()

    @property
    def _listens(self) -> bool:
        return self._settings is not None and self._settings.listen and self._push is None

    @property
    def port(self) -> int | None:
        """The port that the endpoint listens on, None while it has none."""
        return None if self._listener is None else self._listener.port

    def start(self) -> None:
        """Listen, unless this reader already does, is shut down or has a bad setting."""
        if self._listener is not None or self._shut_down or self._settings is None:
            return
        app = application(lambda: readers.expose([self]), path=METRICS_PATH)
        port = self._settings.port or self._inherited_port
        self._listener = Listener(
            app, self._settings.host, port, launch=lambda: current().launch_id
        )
        self._listener.start()

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ARG002 - the base's signature
        """Close the port; a second call does nothing."""
        if self._shut_down:
            return
        self._exchange.stop()
        self._publish_last(timeout_millis)
        if not current().active:  # in a group the last to go has pushed already
            self._push_now(timeout_millis)
        self._close(min(1.0, max(0.0, timeout_millis / 1000)))

    def _close(self, timeout_s: float) -> None:
        self._shut_down = True
        readers.leave(self)
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close(timeout_s)

    def give_way(self) -> None:
        """End without a word: a forked child has made a reader of its own in place of this one."""
        self._exchange.stop()
        self._close(0.0)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Leave the app's instruments to the other workers, or push where that is wanted."""
        self._publish_last(timeout_millis)
        if current().leads or not current().active:
            self._push_now(timeout_millis)
        return True

    def _push_now(self, timeout_millis: float) -> None:
        if self._push is None or self._settings is None or not self.has_provider:
            return
        timeout_s = min(timeout_millis / 1000, shared.settings.shutdown_timeout_s)
        name = getattr(resource(self._provider_collect), "attributes", {}).get("service.name", "")
        with guard.guarded("prometheus.push"):
            self._push.now(
                self._settings.push_job or str(name) or _JOB,
                self._settings.push_instance or socket.gethostname(),
                max(0.0, timeout_s),
            )

    def _publish_last(self, timeout_millis: float) -> None:
        with guard.guarded("prometheus.exit"):
            self._exchange.publish_now(min(_FLUSH_TIMEOUT_S, max(0.0, timeout_millis / 1000)))

    def read(self, timeout_s: float = COLLECT_TIMEOUT_S) -> Collection | None:
        """Collect, once for all who ask at the same time; None when there is nothing yet.

        Raises
        ------
        Unavailable
            There is no provider, the reader is shut down, or a collection takes too long.
        """
        if self._shut_down:
            raise Unavailable(_SHUT_DOWN)
        if not self.has_provider:
            raise Unavailable(_NO_PROVIDER)
        try:
            return self._shared_collection(timeout_s)
        except TimeoutError as error:
            guard.fault("prometheus.collect", error)
            raise Unavailable(
                f"Another collection has run for {timeout_s:g} s: a callback of the app hangs."
            ) from error

    @property
    def has_provider(self) -> bool:
        """Whether a MeterProvider has taken this reader."""
        return self._has_provider

    @property
    def registry(self) -> CollectorRegistry | None:
        """The further registry whose metrics are shown."""
        return self._registry

    def _collection(self) -> Collection:
        if not self._exchange.turn.acquire(timeout=COLLECT_TIMEOUT_S):
            raise TimeoutError
        try:
            self._received.data = None
            self.collect(timeout_millis=COLLECT_TIMEOUT_S * 1000)
            return self._exchange.exchanged(collection(self._received.data))
        finally:
            self._exchange.turn.release()

    def _collect_others(self) -> Collection | None:
        if self._provider_collect is None or self._shut_down:
            return None
        return collection(self._provider_collect(self, timeout_millis=COLLECT_TIMEOUT_S * 1000))

    def _has_callbacks(self) -> bool:
        return has_callbacks(self._provider_collect)

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the base's signature
        **kwargs: Any,  # noqa: ARG002 - the base's signature
    ) -> None:
        self._received.data = metrics_data

    def _set_collect_callback(self, func: Callable[..., Any] | None) -> None:  # type: ignore[misc]
        # Final to type checkers only; here alone a reader learns of its provider.
        super()._set_collect_callback(func)
        self._provider_collect = func
        if func is not None:
            with guard.guarded("prometheus.exchange"):
                self._exchange.start()
            with guard.guarded("prometheus.attach"):
                from tidegauge.attach import attach_reader  # noqa: PLC0415 - only with a provider

                attach_reader(self)
        # Not before: to attach takes a while, and an answer without Tidegauge's metrics is wrong.
        self._has_provider = func is not None

    def _after_fork(self) -> None:
        with guard.guarded("prometheus.fork"):
            self.inherited = True
            self._shared_collection.reset()
            self._exchange.reset()
            listener, self._listener = self._listener, None
            if listener is not None:
                self._inherited_port = listener.port or self._inherited_port
                listener.abandon()
            listens = listener is not None or self._listens
            if not self._shut_down:
                # Not waiting for it to run, as threading would: a child may be forked for a moment.
                _thread.start_new_thread(self._revive, (listens,))

    def _revive(self, listens: bool) -> None:
        """Take part as the parent does, and answer when whoever has the port is gone."""
        time.sleep(REVIVAL_S)
        with guard.guarded("prometheus.fork"):
            if self.has_provider and not self._shut_down:
                self._exchange.start()
            if listens and not current().helper:
                self.start()
