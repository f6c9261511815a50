"""What the tests of the Prometheus exporter share: data to show, readers that are closed again."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge import guard
from tidegauge_exporter_prometheus import PrometheusReader
from tidegauge_exporter_prometheus.families import families
from tidegauge_exporter_prometheus.mapping import collection
from tidegauge_semconv import Kind, MetricSpec, all_metrics

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Attributes = Mapping[str, Any]


class Builder:
    """Builds MetricsData from the SDK's data classes."""

    @staticmethod
    def point(value: float, attributes: Attributes | None = None) -> NumberDataPoint:
        """Build a number."""
        return NumberDataPoint(dict(attributes or {}), 1, 2, value)

    @staticmethod
    def histogram_point(
        bounds: list[float],
        counts: list[int],
        attributes: Attributes | None = None,
        *,
        total: Any = 1.0,
        low: Any = 0.0,
        exemplars: Any = (),
    ) -> HistogramDataPoint:
        """Build a histogram's point."""
        return HistogramDataPoint(
            dict(attributes or {}), 1, 2, sum(counts), total, counts, bounds, low, 1.0, exemplars
        )

    @staticmethod
    def counter(name: str, *points: NumberDataPoint, unit: str = "", text: str = "d") -> Metric:
        """Build a counter."""
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        return Metric(name, text, unit, data)

    @staticmethod
    def gauge(name: str, *points: NumberDataPoint, unit: str = "", text: str = "d") -> Metric:
        """Build a gauge."""
        return Metric(name, text, unit, Gauge(points))

    @staticmethod
    def histogram(name: str, *points: HistogramDataPoint, unit: str = "") -> Metric:
        """Build an explicit histogram."""
        return Metric(name, "d", unit, Histogram(points, AggregationTemporality.CUMULATIVE))

    @staticmethod
    def scope(
        *metrics: Metric, name: str = "tidegauge", version: str | None = None
    ) -> ScopeMetrics:
        """Build a scope, Tidegauge's unless it has a name."""
        return ScopeMetrics(InstrumentationScope(name, version), metrics, "")

    @staticmethod
    def data(*scopes: ScopeMetrics, resource: Attributes | None = None) -> MetricsData:
        """Build what a collection returns."""
        return MetricsData([ResourceMetrics(Resource(dict(resource or {})), scopes, "")])

    def of_spec(self, spec: MetricSpec, features: int = 1) -> Metric:
        """Build a metric of the suite, with every attribute it declares."""
        rows = [
            {key: f"{key} {row}" if key == "feature" else key for key in spec.attributes}
            for row in range(features if "feature" in spec.attributes else 1)
        ]
        if spec.kind is Kind.HISTOGRAM:
            counts = [1] * (len(spec.buckets) + 1)
            data = Histogram(
                [self.histogram_point(list(spec.buckets), counts, row) for row in rows],
                AggregationTemporality.CUMULATIVE,
            )
            return Metric(spec.name, spec.description, spec.unit, data)
        build = self.counter if spec.kind is Kind.COUNTER else self.gauge
        points = [self.point(1.0, row) for row in rows]
        return build(spec.name, *points, unit=spec.unit, text=spec.description)

    @staticmethod
    def families(collected: Sequence[MetricsData], extra: Iterable[Family] = ()) -> list[Family]:
        """Build the families that are shown of what readers collected."""
        return families([collection(data) for data in collected], extra)

    def suite(self, features: int = 1) -> MetricsData:
        """Build every metric of the suite."""
        return self.data(self.scope(*(self.of_spec(spec, features) for spec in all_metrics())))


@pytest.fixture
def build() -> Builder:
    return Builder()


@pytest.fixture(autouse=True)
def _forget_causes() -> Iterator[None]:
    """Let every test see the first warning of a cause."""
    guard.reset()
    yield
    guard.reset()


class MakeReader(Protocol):
    """Makes a reader."""

    def __call__(self, **options: Any) -> PrometheusReader:
        """Pass options on to the reader."""
        ...


@pytest.fixture
def make_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeReader]:
    """Make readers on free ports that are shut down after the test."""
    for name in ("OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT"):
        monkeypatch.delenv(name, raising=False)
    made: list[PrometheusReader] = []

    def make(**options: Any) -> PrometheusReader:
        made.append(PrometheusReader(**options))
        return made[-1]

    yield make
    for reader in made:
        reader.shutdown()


@pytest.fixture
def served(make_reader: MakeReader) -> Iterator[tuple[PrometheusReader, MeterProvider]]:
    """Serve a provider's metrics on a free port."""
    reader = make_reader(port=0)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield reader, provider
    provider.shutdown()


@pytest.fixture
def get() -> Callable[..., Any]:
    """Fetch from a reader's port; the answer has status, headers and body."""

    def fetch(port: int | None, path: str = "/metrics", method: str = "GET", **headers: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", method=method, headers=named
        )
        opener = urllib.request.build_opener(_NoErrors)
        with opener.open(request, timeout=20) as response:
            response.body = response.read()
            return response

    return fetch


class _NoErrors(urllib.request.HTTPErrorProcessor):
    """Hands every status to the test."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait for a condition, with a deadline."""

    def wait(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def samples() -> Callable[[list[Family]], dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    """Return the series of families by name and sorted labels."""

    def flat(families: list[Family]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    return flat
