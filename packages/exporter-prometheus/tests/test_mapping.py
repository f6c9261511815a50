"""MetricsData to families: labels, kinds, conflicts, exemplars, what is left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.sdk.metrics._internal.exemplar import Exemplar
from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric, Sum
from prometheus_client import CollectorRegistry
from prometheus_client import Gauge as ClientGauge
from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import Kind, all_metrics


def test_every_spec_carries_exactly_its_attributes(build: Any) -> None:
    """A metric of the suite has its own labels, and no otel_scope_* ones."""
    shown = {family.name: family for family in build.families([build.suite()])}
    for spec in all_metrics():
        name = prometheus_name(spec)
        family = shown[name.removesuffix("_total") if spec.kind is Kind.COUNTER else name]
        kind = Kind.GAUGE if spec.kind is Kind.UPDOWN else spec.kind  # Prometheus knows no other
        assert kind.value == family.type
        keys = {key for sample in family.samples for key in sample.labels} - {"le"}
        assert set(map(label_name, spec.attributes)) == keys


def test_labels_of_two_scopes_do_not_shift(build: Any, samples: Any) -> None:
    """Scopes with different keys share a family; each value stays under its key."""
    data = build.data(
        build.scope(
            build.gauge("g", build.point(1, {"a": "x", "z": "y"})), name="one", version="1"
        ),
        build.scope(build.gauge("g", build.point(2, {"m": "w"}), text="other"), name="two"),
    )
    found = [family for family in build.families([data]) if family.name == "g"]
    assert len(found) == 1
    assert samples(found) == {
        ("g", (("a", "x"), ("m", ""), ("otel_scope_name", "one"), ("otel_scope_schema_url", ""),
               ("otel_scope_version", "1"), ("z", "y"))): 1.0,
        ("g", (("a", ""), ("m", "w"), ("otel_scope_name", "two"), ("otel_scope_schema_url", ""),
               ("otel_scope_version", ""), ("z", ""))): 2.0,
    }  # fmt: skip


def test_a_second_kind_under_a_name_is_left_out_with_one_warning(
    build: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The first family of a name wins; the other costs one warning, not the scrape."""
    data = build.data(
        build.scope(build.gauge("x", build.point(1)), name="one"),
        build.scope(
            build.counter("x", build.point(2)),
            build.gauge("y", build.point(3)),
            name="two",
        ),
    )
    for _ in range(3):
        assert [(family.name, family.type) for family in build.families([data])] == [
            ("target", "info"),
            ("x", "gauge"),
            ("y", "gauge"),
        ]
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage() == (
        "metric 'x' of scope 'two': ValueError: another metric already has the Prometheus name "
        "'x'. It is left out of the Prometheus endpoint; rename it or drop it with a View."
    )


@pytest.mark.parametrize("name", ["h_count", "h_sum", "h_bucket", "target", "target_info"])
def test_names_that_a_family_needs_for_its_series_are_taken(build: Any, name: str) -> None:
    """A metric cannot take the name of another family's series."""
    data = build.data(
        build.scope(
            build.histogram("h", build.histogram_point([1.0], [1, 2])),
            build.gauge(name, build.point(1)),
            name="app",
        )
    )
    assert [family.name for family in build.families([data])] == ["target", "h"]


def test_the_suite_s_names_cannot_be_taken(build: Any) -> None:
    """Tidegauge's own metrics come first, whatever else the app has."""
    squatter = build.scope(build.gauge("model.requests", build.point(9)), name="app")
    data = build.data(squatter, build.scope(build.counter("model.requests", build.point(1))))
    found = {family.name: family for family in build.families([data])}
    assert found["model_requests"].type == "counter"
    assert [sample.value for sample in found["model_requests"].samples] == [1.0]


def test_own_metrics_of_two_readers_are_shown_once(build: Any, samples: Any) -> None:
    """Two readers of a process carry the same counts of ours: never added, never repeated."""
    own = build.scope(build.counter("model.requests", build.point(5, {"model_name": "m"})))
    first = build.data(own, build.scope(build.gauge("a", build.point(1)), name="app"))
    second = build.data(own, build.scope(build.gauge("b", build.point(2)), name="app"))
    found = samples(build.families([first, second]))
    assert found[("model_requests_total", (("model_name", "m"),))] == 5.0
    assert {"model_requests_total", "a", "b", "target_info"} == {name for name, _ in found}


def test_nan_is_no_point(build: Any) -> None:
    """No data is no series, never NaN; infinity is a value."""
    data = build.data(
        build.scope(
            build.gauge("g", build.point(math.nan, {"k": "a"}), build.point(math.inf, {"k": "b"})),
            build.gauge("only_nan", build.point(math.nan)),
        )
    )
    found = [family for family in build.families([data]) if family.name != "target"]
    assert [("g", {"k": "b"}, math.inf)] == [
        (sample.name, sample.labels, sample.value) for family in found for sample in family.samples
    ]


@pytest.mark.parametrize("kind", ["delta", "negative counter", "unknown data", "no name"])
def test_what_cannot_be_shown_is_left_out_whole(build: Any, kind: str) -> None:
    """One bad metric is left out; its neighbours are shown."""
    delta = Sum([build.point(1)], AggregationTemporality.DELTA, is_monotonic=True)
    bad = {
        "delta": Metric("bad", "", "", delta),
        "negative counter": build.counter("bad", build.point(1, {"k": "ok"}), build.point(-1)),
        "unknown data": Metric("bad", "", "", object()),  # type: ignore[arg-type]
        "no name": build.gauge("", build.point(1)),
    }[kind]
    data = build.data(build.scope(bad, build.gauge("good", build.point(1)), name="app"))
    assert [family.name for family in build.families([data])] == ["target", "good"]


def test_keys_that_become_one_label_are_joined(build: Any, samples: Any) -> None:
    """Two keys with one label name keep both values, so that series stay apart."""
    points = (build.point(1, {"a.b": "x", "a_b": "y"}), build.point(2, {"a.b": "z", "a_b": "y"}))
    data = build.data(build.scope(build.gauge("g", *points)))
    assert {
        key: value for key, value in samples(build.families([data])).items() if key[0] == "g"
    } == {
        ("g", (("a_b", "x;y"),)): 1.0,
        ("g", (("a_b", "z;y"),)): 2.0,
    }


def test_a_repeated_series_is_shown_once(build: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Prometheus refuses a series twice; the first is shown, with one warning."""
    data = build.data(build.scope(build.gauge("g", build.point(1, {"k": ""}), build.point(2))))
    for _ in range(2):
        found = {family.name: family for family in build.families([data])}
    assert [sample.value for sample in found["g"].samples] == [1.0]
    assert len(caplog.records) == 1


def test_an_attribute_named_le_does_not_break_a_histogram(build: Any) -> None:
    """The bucket's own label wins; the attribute is kept under another name."""
    data = build.data(
        build.scope(build.histogram("h", build.histogram_point([1.0], [1, 2], {"le": "mine"})))
    )
    family = build.families([data])[1]
    assert {"mine"} == {sample.labels["exported_le"] for sample in family.samples}
    assert [s.labels["le"] for s in family.samples if "le" in s.labels] == ["1.0", "+Inf"]


def test_values_that_are_no_text_are_json(build: Any) -> None:
    """Numbers, booleans and lists read as in JSON, as upstream writes them."""
    attributes = {"i": 1, "f": 0.5, "b": True, "l": ("a", "b")}
    data = build.data(build.scope(build.gauge("g", build.point(1, attributes))))
    expected = {"i": "1", "f": "0.5", "b": "true", "l": '["a", "b"]'}
    assert expected == build.families([data])[1].samples[0].labels


def exemplar(value: float, at: int, **attributes: str) -> Exemplar:
    return Exemplar(attributes, value, at, span_id=0xABC, trace_id=0xDEF)


def test_exemplars_sit_on_their_bucket(build: Any) -> None:
    """Each bucket shows its newest exemplar, with trace, span and prediction id."""
    newest = exemplar(0.6, 3_000_000_007, prediction_id="p-2", other="no")
    found = [exemplar(0.5, 1, prediction_id="p-1"), newest, exemplar(7.0, 2)]
    point = build.histogram_point([0.5, 1.0], [1, 1, 1], exemplars=found)
    data = build.data(build.scope(build.histogram("h", point)))
    buckets = [s for s in build.families([data])[1].samples if s.name == "h_bucket"]
    ids = {"trace_id": f"{0xDEF:032x}", "span_id": f"{0xABC:016x}"}
    assert [{**ids, "prediction_id": "p-1"}, {**ids, "prediction_id": "p-2"}, ids] == [
        sample.exemplar.labels for sample in buckets if sample.exemplar
    ]
    assert str(buckets[1].exemplar.timestamp) == "3.000000007"


@pytest.mark.parametrize(("length", "kept"), [(52, True), (53, False)])
def test_a_prediction_id_that_does_not_fit_is_left_out(build: Any, length: int, kept: bool) -> None:
    """OpenMetrics allows 128 characters in an exemplar's labels; the trace id comes first."""
    found = [exemplar(0.5, 1, prediction_id="p" * length)]
    point = build.histogram_point([1.0], [1, 0], exemplars=found)
    data = build.data(build.scope(build.histogram("h", point)))
    labels = build.families([data])[1].samples[0].exemplar.labels
    assert kept == ("prediction_id" in labels)
    assert sum(len(key) + len(value) for key, value in labels.items()) <= 128


def test_another_registry_s_families_follow_where_names_are_free(build: Any) -> None:
    """An app's prometheus_client metrics are shown beside ours, never instead of ours."""
    registry = CollectorRegistry()
    for name in ("drift_psi_value", "app_temperature"):
        ClientGauge(name, "d", registry=registry).set(7)
    own = build.data(build.scope(build.gauge("drift.psi.value", build.point(1))))
    found = build.families([own], registry.collect())
    assert [family.name for family in found] == ["target", "drift_psi_value", "app_temperature"]
    assert found[1].samples[0].value == 1.0


def test_nothing_collected_is_nothing_shown(build: Any) -> None:
    """Without data there is not even a target."""
    assert build.families([]) == []


UUID, PROCESS_ID = "0" * 36, "0123456789ab-1f"


@pytest.mark.parametrize(
    ("span", "attributes", "expected"),
    [
        (True, {"request_id": UUID, "prediction_id": PROCESS_ID, "http_route": "/" * 10},
         ["request"]),
        (True, {"request_id": UUID, "prediction_id": PROCESS_ID, "http_route": "/" * 9},
         ["request", "route"]),
        (True, {"request_id": "r-1", "prediction_id": PROCESS_ID, "http_route": "/r"},
         ["request", "prediction", "route"]),
        (False, {"request_id": UUID, "http_route": "/v1/score/{model}"}, ["request", "route"]),
        (False, {"request_id": "r" * 64, "http_route": "/" * 45}, ["request"]),
        (False, {"request_id": "r" * 64, "http_route": "/" * 44}, ["request", "route"]),
        (False, {"http_route": "/" * 118}, ["route"]),
        (False, {"http_route": "/" * 119}, []),
        (False, {"request_id": "", "http_route": ""}, []),
    ],
)  # fmt: skip
def test_an_exemplar_says_of_a_request_what_fits(
    build: Any, span: bool, attributes: dict[str, str], expected: list[str]
) -> None:
    """The span, the request's id, the prediction's, the route: each whole or not at all."""
    ids = {"span_id": 0xABC, "trace_id": 0xDEF} if span else {"span_id": None, "trace_id": None}
    found = [Exemplar(attributes, 0.5, 1, **ids)]
    point = build.histogram_point([1.0], [1, 0], exemplars=found)
    data = build.data(build.scope(build.histogram("h", point)))
    pointer = build.families([data])[1].samples[0].exemplar
    labels = pointer.labels if pointer else {}
    keys = {"request": "request_id", "prediction": "prediction_id", "route": "http_route"}
    wanted = {keys[each]: attributes[keys[each]] for each in expected}
    assert wanted == {key: value for key, value in labels.items() if key in keys.values()}
    assert span == ("trace_id" in labels)
    assert sum(len(key) + len(value) for key, value in labels.items()) <= 128
