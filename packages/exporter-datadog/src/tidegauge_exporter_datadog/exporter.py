"""The metric exporter ``datadog``: what a periodic reader pushes through."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from tidegauge import group, guard
from tidegauge.misconfiguration import misconfigured
from tidegauge.runtime import shared
from tidegauge.settings import SettingError

from tidegauge_exporter_datadog import settings, transport
from tidegauge_exporter_datadog.cost import FeatureBudget
from tidegauge_exporter_datadog.dogstatsd import DogStatsD
from tidegauge_exporter_datadog.intake import Intake
from tidegauge_exporter_datadog.mapping import points
from tidegauge_exporter_datadog.muted import mark
from tidegauge_exporter_datadog.naming import tag
from tidegauge_exporter_datadog.unified import UnifiedTags

_logger = logging.getLogger(__name__)

_DELTA = AggregationTemporality.DELTA
_TEMPORALITY = {
    Counter: _DELTA,
    ObservableCounter: _DELTA,
    Histogram: _DELTA,
    # May fall as well: what it stands at is a gauge.
    UpDownCounter: AggregationTemporality.CUMULATIVE,
    ObservableUpDownCounter: AggregationTemporality.CUMULATIVE,
}
# The ratio of Tidegauge's own buckets, for the app's histograms too: 1.011, six orders of magnitude
# wide. Datadog's sketches are about as fine.
_BUCKETS = ExponentialBucketHistogramAggregation(max_size=1280, max_scale=6)

_WORKER = "worker"
# As the Agent's own tags of a pod are asked for.
_ENTITY_ID = "dd.internal.entity_id"


class DatadogExporter(MetricExporter):
    """Pushes metrics to Datadog: through the Agent's DogStatsD, or to the HTTP API without one.

    The constructor never raises: a bad setting is one ERROR line, and nothing goes to Datadog.
    """

    def __init__(self, **unknown: object) -> None:
        super().__init__(
            preferred_temporality=_TEMPORALITY,  # type: ignore[arg-type]
            preferred_aggregation={Histogram: _BUCKETS},
        )
        self._transport: transport.Transport | None = None
        self._unified = UnifiedTags()
        self._features = FeatureBudget(0)
        if unknown:
            misconfigured(
                _logger,
                "datadog",
                f"datadog: got the unknown options {', '.join(sorted(unknown))}; expected none. "
                "They have no effect: set DD_AGENT_HOST, DD_TAGS and the like instead.",
            )
        try:
            found = settings.read()
        except SettingError as error:
            misconfigured(_logger, error.subject, f"{error} Metrics do not go to Datadog.")
            return
        with guard.guarded("datadog.start"):
            self._unified = found.unified
            self._features = FeatureBudget(found.max_features)
            self._transport = _open(found)
            transport.use(self._transport, tuple(self._unified.of({}).values()))

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - transports have limits of their own
        **kwargs: Any,  # noqa: ARG002 - the signature of exporters
    ) -> MetricExportResult:
        """Send what a reader collected; never raises."""
        result = MetricExportResult.FAILURE
        if self._transport is not None:
            with guard.guarded("datadog.export"):
                fewer = self._features.trim(mark(metrics_data))
                found = points(fewer, self._unified, time.time(), self._of_app())
                self._transport.send(found)
                self._introduce(metrics_data)
                result = MetricExportResult.SUCCESS
        return result

    def _of_app(self) -> dict[str, str]:
        """Tell the app's own instruments of several workers apart, where no Agent adds them up.

        Of two counts with the same tags and second Datadog's HTTP API keeps the later.
        """
        if isinstance(self._transport, Intake) and group.current().launch.child:
            return {_WORKER: tag(_WORKER, str(os.getpid()))}
        return {}

    def _introduce(self, metrics_data: MetricsData) -> None:
        """Let events have the tags that metrics have: the resource is known only now."""
        for each in metrics_data.resource_metrics[-1:]:
            if self._transport is not None:
                tags = self._unified.of(each.resource.attributes)
                transport.use(self._transport, tuple(tags.values()))

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Send what waits; False where something still does."""
        flushed = self._transport is None
        if self._transport is not None:
            with guard.guarded("datadog.flush"):
                flushed = self._transport.flush(_within_s(timeout_millis))
        return flushed

    def shutdown(
        self,
        timeout_millis: float = 30_000,
        **kwargs: Any,  # noqa: ARG002 - the signature of exporters
    ) -> None:
        """Send what waits and let go of the socket; nothing is sent afterwards."""
        ending, self._transport = self._transport, None
        if ending is not None:
            with guard.guarded("datadog.shutdown"):
                transport.release(ending)
                ending.close(_within_s(timeout_millis))


def _open(found: settings.DatadogSettings) -> transport.Transport:
    if found.destination is not None:
        return Intake(
            found.destination,
            host=found.host,
            timeout_s=found.timeout_s,
            queue_bytes=found.queue_bytes,
        )
    entity = (tag(_ENTITY_ID, found.entity_id),) if found.entity_id else ()
    return DogStatsD(found.address, entity)


def _within_s(timeout_millis: float) -> float:
    """Return a limit in seconds: nobody waits longer than a process may at its end."""
    return max(0.0, min(timeout_millis / 1000, shared.settings.shutdown_timeout_s))
