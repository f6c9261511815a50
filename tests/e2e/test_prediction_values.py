"""Prediction values in buckets that the reference suggests, as the backends get them."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families
from tidegauge import Model
from tidegauge.attach import attach
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.buckets import buckets
from tidegauge_exporter_prometheus import PrometheusReader
from tidegauge_semconv import metrics
from tidegauge_testkit.recording import Recording

BEGAN_S = 1_700_000_000.0
VALUE = metrics.MODEL_PREDICTION_VALUE.name


class Backends:
    """A scraped reader and two pushed ones, of one provider."""

    def __init__(self) -> None:
        self._pull = PrometheusReader(host="127.0.0.1", port=0)
        delta = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
        self._push = InMemoryMetricReader(), InMemoryMetricReader(delta)
        self.provider = MeterProvider([self._pull, *self._push], shutdown_on_exit=False)
        attach(self.provider)

    def scrape(self) -> dict[float, float]:
        """Return how many values Prometheus has at or below each bound."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._pull.port}/metrics") as answer:
            text = answer.read().decode()
        return {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "model_prediction_value_bucket"
        }

    def push(self) -> list[Any]:
        """Return the data points that OTLP carries: cumulative, and delta."""
        return [
            point
            for reader in self._push
            for resource in reader.get_metrics_data().resource_metrics  # type: ignore[union-attr]
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == VALUE
            for point in metric.data.data_points
        ]


@pytest.fixture
def backends() -> Iterator[Backends]:
    """Start both readers."""
    started = Backends()
    yield started
    started.provider.shutdown()


def write(path: Path, outputs: Any) -> list[float]:
    """Write a reference down; return the buckets of its output."""
    profile = build(np.zeros((len(outputs), 1)), outputs=outputs)
    save(profile, path)
    return list(buckets(profile.outputs[0]))  # type: ignore[arg-type]


def test_buckets_follow_the_reference(
    backends: Backends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both forms, negative values too; a changed reference starts the series anew."""
    now_s = BEGAN_S
    monkeypatch.setattr(shared, "clock", lambda: now_s)
    draw = np.random.default_rng(7)
    path = tmp_path / "score.reference.json"
    drift = DriftProcessor(settings=DriftSettings(reference=str(path)))
    with Recording(processors=[drift]):
        model = Model("score")
        for mean, sd, began_s in ((-40.0, 15.0, BEGAN_S), (0.0, 1.0, BEGAN_S + 20)):
            bounds = write(path, draw.normal(mean, sd, 2000))
            now_s += 10  # the file is looked at
            backends.scrape()
            values = draw.normal(mean, 2 * sd, 300)
            for value in values:
                with model.prediction([0.0]) as p:
                    p.output = value

            below = np.searchsorted(np.sort(values), [*bounds, np.inf], "right").tolist()
            assert dict(zip([*bounds, np.inf], below, strict=True)) == backends.scrape()
            cumulative, delta = backends.push()
            for point in (cumulative, delta):
                assert bounds == list(point.explicit_bounds)
                assert np.diff(below, prepend=0).tolist() == list(point.bucket_counts)
                assert point.sum == pytest.approx(values.sum())
                assert point.start_time_unix_nano == int(began_s * 1e9)
