"""Every metric's definition keeps the rules that all vendors share."""

from __future__ import annotations

import re

import pytest
from tidegauge_semconv import Kind, MetricSpec, all_metrics

# Datadog gives these tags a meaning of its own.
RESERVED = {"env", "service", "version", "host", "device", "source"}
UNITS = {"", "s", "%", "By", "Cel", "W", "J", "g", "{request}/s"}
# Verbatim: dots in the keys of its attributes too.
OPENTELEMETRY = ("process.", "container.", "hw.")
SPECS = all_metrics()

each = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def test_names_are_unique_and_sorted() -> None:
    """Two definitions of one name would be two meanings."""
    names = [spec.name for spec in SPECS]
    assert sorted(set(names)) == names
    assert len(names) >= 20


@each
def test_a_name_has_dots_and_no_unit(spec: MetricSpec) -> None:
    """Lower case, dots between words, no unit and no ``total``: those are the vendors' suffixes.

    A share may be called a ratio: without a unit no vendor adds it.
    """
    assert re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", spec.name)
    assert not re.search(r"(seconds|bytes|total|percent)$", spec.name)


@each
def test_a_unit_is_ucum_or_none(spec: MetricSpec) -> None:
    """Never ``1``: translators would append ``_ratio``."""
    assert spec.unit in UNITS or re.fullmatch(r"\{[a-z_]+\}", spec.unit)


@each
def test_attributes_are_unique_and_free(spec: MetricSpec) -> None:
    """Each once, none that Datadog reserves; snake case, but for OpenTelemetry's own."""
    assert len(set(spec.attributes)) == len(spec.attributes)
    assert not RESERVED & set(spec.attributes)
    dots = r"\." if spec.name.startswith(OPENTELEMETRY) else ""
    assert all(re.fullmatch(rf"[a-z]+([_{dots}][a-z]+)*", name) for name in spec.attributes)


@each
def test_only_histograms_have_buckets(spec: MetricSpec) -> None:
    """Sorted floats, so that ``le`` reads "1.0" everywhere."""
    assert (spec.kind is Kind.HISTOGRAM) == bool(spec.buckets)
    assert all(isinstance(bound, float) for bound in spec.buckets)
    assert sorted(set(spec.buckets)) == list(spec.buckets)


@each
def test_a_description_is_a_sentence(spec: MetricSpec) -> None:
    """It is the HELP line of a scrape."""
    assert spec.description[0].isupper() or spec.description[0].isdigit()
    assert spec.description.endswith(".")
    assert "\n" not in spec.description
