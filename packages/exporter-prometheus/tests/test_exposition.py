"""The two formats: negotiated, parsed by prometheus_client's own parsers, gzipped when asked."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal.exemplar import Exemplar
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample
from tidegauge import guard
from tidegauge_exporter_prometheus.exposition import (
    OPENMETRICS,
    TEXT,
    Unavailable,
    accepts_gzip,
    answer,
    encode,
    negotiate,
)
from tidegauge_exporter_prometheus.mapping import clean

if TYPE_CHECKING:
    from collections.abc import Callable

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,"
    "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PARSERS: dict[str, Callable[[str], Any]] = {TEXT: parse_text, OPENMETRICS: parse_openmetrics}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        ("text/plain", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"; q=1', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=x, ;;,=", TEXT),
    ],
)
def test_the_format_is_what_the_client_wants_most(accept: str, content_type: str) -> None:
    """OpenMetrics 1.0.0 for those who want it at least as much as text."""
    assert negotiate(accept) == content_type


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("", False),
        ("br", False),
    ],
)
def test_gzip_only_when_asked(header: str, wanted: bool) -> None:
    """Compression is used where the client says so."""
    assert accepts_gzip(header) == wanted


@pytest.mark.parametrize("content_type", PARSERS)
def test_the_whole_suite_parses(build: Any, content_type: str, samples: Any) -> None:
    """Every metric of the suite survives the way through a parser, value by value."""
    shown = build.families([build.suite(features=3)])
    parsed = list(PARSERS[content_type](encode(shown, content_type).decode()))
    assert samples(parsed) == samples(shown)


def test_one_help_and_type_a_family(build: Any) -> None:
    """Prometheus refuses metadata that comes twice."""
    text = encode(build.families([build.suite(features=3)]), TEXT).decode()
    for word in ("# HELP ", "# TYPE "):
        named = [line.split(" ")[2] for line in text.splitlines() if line.startswith(word)]
        assert len(named) == len(set(named)) > 10


@pytest.mark.parametrize("content_type", PARSERS)
def test_a_histogram_without_sum_keeps_its_count(
    build: Any, content_type: str, samples: Any
) -> None:
    """Negative bounds: buckets and count in both formats, the sum in neither."""
    point = build.histogram_point([-1.0, 0.0], [1, 2, 3], {"output": "score"})
    shown = build.families(
        [build.data(build.scope(build.histogram("model.prediction.value", point)))]
    )
    parsed = samples(list(PARSERS[content_type](encode(shown, content_type).decode())))
    output = ("output", "score")
    assert {key: value for key, value in parsed.items() if key[0] != "target_info"} == {
        ("model_prediction_value_bucket", (("le", "-1.0"), output)): 1.0,
        ("model_prediction_value_bucket", (("le", "0.0"), output)): 3.0,
        ("model_prediction_value_bucket", (("le", "+Inf"), output)): 6.0,
        ("model_prediction_value_count", (output,)): 6.0,
    }


def test_the_type_of_a_histogram_without_sum(build: Any) -> None:
    """It is a histogram in the text format; OpenMetrics has no such type and calls it unknown."""
    point = build.histogram_point([-1.0], [1, 2])
    shown = build.families([build.data(build.scope(build.histogram("v", point)))])
    assert b"# TYPE v histogram\n" in encode(shown, TEXT)
    assert b"# TYPE v_bucket unknown\n" in encode(shown, OPENMETRICS)


def test_exemplars_are_written_in_openmetrics_only(build: Any) -> None:
    """The trace of a slow call is one click away where the format can say so."""
    found = [Exemplar({"prediction_id": "p"}, 0.5, 1_500_000_000, span_id=1, trace_id=2)]
    point = build.histogram_point([1.0], [1, 0], exemplars=found)
    shown = build.families([build.data(build.scope(build.histogram("h", point)))])
    line = next(line for line in encode(shown, OPENMETRICS).decode().splitlines() if "# {" in line)
    assert line == (
        'h_bucket{le="1.0"} 1.0 # {prediction_id="p",span_id="0000000000000001",'
        'trace_id="00000000000000000000000000000002"} 0.5 1.500000000'
    )
    assert b"trace_id" not in encode(shown, TEXT)


AWKWARD = st.text(st.characters(categories=("L", "N", "P", "S", "Z", "C", "M")), max_size=20)


@pytest.mark.parametrize("content_type", PARSERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=AWKWARD, text=AWKWARD)
def test_any_text_survives(build: Any, content_type: str, value: str, text: str) -> None:
    """Quotes, newlines, backslashes, controls, surrogates: read back as they were."""
    metric = build.gauge("g", build.point(1, {"k": value}), text=text)
    written = encode(build.families([build.data(build.scope(metric))]), content_type).decode()
    found = next(family for family in PARSERS[content_type](written) if family.name == "g")
    assert found.samples[0].labels == {"k": clean(value)}


@pytest.mark.parametrize(
    "value",
    ['a"b', "a\nb", "a\\b", "a\\nb", "é漢😀", "\x00\x01\x1b\r\x7f\x85\u2028", "\ud800x", "", " "],
)
@pytest.mark.parametrize("content_type", PARSERS)
def test_awkward_label_values(build: Any, content_type: str, value: str) -> None:
    """Those that broke other exporters, by name; only NUL and lone surrogates are replaced."""
    metric = build.gauge("g", build.point(1, {"k": value}))
    written = encode(build.families([build.data(build.scope(metric))]), content_type).decode()
    found = next(family for family in PARSERS[content_type](written) if family.name == "g")
    assert found.samples[0].labels["k"] == value.replace("\x00", "\ufffd").replace(
        "\ud800", "\ufffd"
    )


def test_a_family_that_cannot_be_written_is_left_out(build: Any) -> None:
    """One broken family of another registry does not cost the scrape."""
    broken = Family("broken", "d", "gauge")
    broken.samples.append(Sample("broken", {}, "no number"))  # type: ignore[arg-type]
    good = build.families([build.data(build.scope(build.gauge("good", build.point(1))))])
    for content_type, parse in PARSERS.items():
        written = encode([broken, *good], content_type).decode()
        assert [family.name for family in parse(written)][1:] == ["good"]
    assert guard.counts() == {"prometheus.encode.'broken':ValueError": 2}


def show(name: str = "g") -> list[Family]:
    family = Family(name, "d", "gauge")
    family.samples.append(Sample(name, {}, 1.0))
    return [family]


def test_head_has_the_headers_of_get() -> None:
    """HEAD answers as GET does, without the body."""
    get, head = (answer(method, "", "", show) for method in ("GET", "HEAD"))
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    assert dict(get.headers) == {"Content-Type": TEXT, "Content-Length": str(len(get.body))}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused(method: str) -> None:
    """Metrics are read, never written: and nothing is collected."""
    found = answer(method, "", "", lambda: pytest.fail("collected"))
    assert (found.status, dict(found.headers)["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_gzip_is_the_same_text() -> None:
    """The compressed body is the plain one, and says so."""
    plain, small = answer("GET", "", "", show), answer("GET", "", "gzip", show)
    assert gzip.decompress(small.body) == plain.body
    assert dict(small.headers)["Content-Encoding"] == "gzip"


def test_nothing_to_show_is_503_with_a_line() -> None:
    """A scrape that finds no reader is down, not empty."""

    def collect() -> list[Family]:
        raise Unavailable("Set this.")

    found = answer("GET", "", "", collect)
    assert (found.status, found.body) == (503, b"Set this.\n")
    assert guard.counts() == {}


def test_a_failed_collection_is_500_and_counted() -> None:
    """A fault is answered, counted, and its text, which may hold data, is not shown."""

    def collect() -> list[Family]:
        raise KeyError("secret")

    found = answer("GET", "", "", collect)
    assert found.status == 500
    assert found.body == b"Collecting the metrics failed with KeyError; see the app's log.\n"
    assert guard.counts() == {"prometheus.scrape:KeyError": 1}
