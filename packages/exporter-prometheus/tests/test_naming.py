"""The names: exactly the product's table, and upstream's recipe for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus._mapping import (
    map_unit,
    sanitize_attribute,
    sanitize_full_name,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from tidegauge_exporter_prometheus.naming import (
    family_name,
    label_name,
    prometheus_name,
    unit_suffix,
)
from tidegauge_semconv import Kind, MetricSpec, all_metrics, metrics

# What the product's specification gives; never change a row.
TABLE = {
    metrics.MODEL_REQUESTS: "model_requests_total",
    metrics.MODEL_REQUEST_LATENCY: "model_request_latency_seconds",
    metrics.MODEL_PREDICTION_VALUE: "model_prediction_value",
    metrics.MODEL_CPU_USAGE: "model_cpu_usage_percent",
    metrics.MODEL_MEMORY_USAGE: "model_memory_usage_bytes",
    metrics.MODEL_GPU_MEMORY: "model_gpu_memory_bytes",
    metrics.DRIFT_PSI_VALUE: "drift_psi_value",
    metrics.MODEL_ACCURACY: "model_accuracy",
}
NAMES = st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=12)
UNITS = st.one_of(
    st.sampled_from(
        ["", "1", "%", "s", "ms", "By", "{row}", "{row}/s", "m/s", "By/min", "1/s", "a/"]
    ),
    st.text("abms1%/{}_ ", max_size=6),
)


@pytest.mark.parametrize(("spec", "name"), TABLE.items(), ids=TABLE.values())
def test_the_product_s_table(spec: MetricSpec, name: str) -> None:
    """The names that the specification gives come out letter for letter."""
    assert name == prometheus_name(spec)


@pytest.mark.parametrize("spec", all_metrics(), ids=lambda spec: spec.name)
def test_every_spec_has_the_name_upstream_gives_it(spec: MetricSpec) -> None:
    """Tidegauge's reader and upstream's exporter agree on every metric of the suite."""
    clean, unit = sanitize_full_name(spec.name), map_unit(spec.unit)
    if spec.kind is Kind.COUNTER:
        expected = CounterMetricFamily(clean, "", unit=unit).name + "_total"
    else:
        expected = GaugeMetricFamily(clean, "", unit=unit).name
    assert expected == prometheus_name(spec)


def test_no_two_specs_share_a_name() -> None:
    """Every metric of the suite has a name of its own."""
    names = [prometheus_name(spec) for spec in all_metrics()]
    assert len(set(names)) == len(names)


@given(NAMES, UNITS)
def test_any_name_becomes_what_upstream_makes_of_it(name: str, unit: str) -> None:
    """An app's instruments keep the names that its dashboards already use."""
    clean, word = sanitize_full_name(name), map_unit(unit)
    if not GaugeMetricFamily(clean, "", unit=word).name.strip("_"):
        with pytest.raises(ValueError, match="expected a letter"):
            family_name(name, unit, Kind.GAUGE)
        return
    assert GaugeMetricFamily(clean, "", unit=word).name == family_name(name, unit, Kind.GAUGE)


@given(UNITS)
def test_any_unit_becomes_what_upstream_makes_of_it(unit: str) -> None:
    """The table of units is upstream's."""
    assert map_unit(unit) == unit_suffix(unit)


@given(NAMES)
def test_any_key_becomes_what_upstream_makes_of_it(key: str) -> None:
    """Labels of an app's instruments keep their names."""
    assert sanitize_attribute(key) == label_name(key)


def test_an_empty_key_still_is_a_label() -> None:
    """A label must have a name."""
    assert label_name("") == "_"


def test_suffixes_are_not_doubled() -> None:
    """A name that already ends in its unit or in _total keeps one of each."""
    assert family_name("x_bytes", "By", Kind.GAUGE) == "x_bytes"
    assert family_name("x.total", "", Kind.COUNTER) == "x"
    assert family_name("x_total", "s", Kind.COUNTER) == "x_seconds"
