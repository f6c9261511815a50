"""Points come out of the datagrams as they went in, in about as few as there can be."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_exporter_datadog.naming import attribute_tags
from tidegauge_exporter_datadog.packets import MOST_BYTES, event_line, pack
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point
from tidegauge_exporter_datadog.transport import DatadogEvent
from tidegauge_testkit.backends.dogstatsd_grammar import Event, Metric, read

NOW_S = 1_795_000_000.0
LIMITS = [1432, MOST_BYTES]

names = st.sampled_from(["model.requests", "model.accuracy", "a" * 200])
tags = st.dictionaries(
    st.sampled_from(["model_name", "feature", "window", "k"]), st.text(max_size=60), max_size=4
).map(attribute_tags)
finite = st.floats(allow_nan=False, allow_infinity=False)
buckets = st.dictionaries(st.floats(1e-9, 1e9), st.integers(1, 10**7), min_size=1, max_size=50)


def distribution(name: str, seen: dict[float, int], tags: tuple[str, ...]) -> Distribution:
    """Return one of values and how often each was seen."""
    return Distribution(name, tuple(seen), tuple(seen.values()), tags, NOW_S)


points = st.lists(
    st.one_of(
        st.builds(Count, names, finite, tags, st.just(10.0), st.just(NOW_S)),
        st.builds(Gauge, names, finite, tags, st.just(NOW_S)),
        st.builds(distribution, names, buckets, tags),
    ),
    max_size=30,
)


def arrived(packets: Iterable[bytes]) -> list[Metric]:
    """Return what a strict reader takes from packets."""
    found = [each for packet in packets for each in read(packet, NOW_S)]
    return [each for each in found if isinstance(each, Metric)]


@pytest.mark.parametrize("limit", LIMITS)
@settings(deadline=None, max_examples=60)
@given(sent=points)
def test_everything_arrives(limit: int, sent: list[Point]) -> None:
    """Counts, gauges and how often each value was seen, to the last one."""
    packets, too_long = pack(sent, limit)
    assert [] == too_long
    assert all(len(packet) <= limit for packet in packets)
    seen: defaultdict[tuple[str, tuple[str, ...]], Tally[float]] = defaultdict(Tally)
    got: Tally[tuple[str, str, float, tuple[str, ...]]] = Tally()
    for metric in arrived(packets):
        if metric.kind == "distribution":
            for value in metric.values:
                seen[metric.name, metric.tags][value] += metric.weight
        else:
            (value,) = metric.values
            got[metric.kind, metric.name, value, metric.tags] += 1
    wanted: defaultdict[tuple[str, tuple[str, ...]], Tally[float]] = defaultdict(Tally)
    others: Tally[tuple[str, str, float, tuple[str, ...]]] = Tally()
    for point in sent:
        if isinstance(point, Distribution):
            for value, count in zip(point.values, point.counts, strict=True):
                wanted[point.name, point.tags][float(f"{value:.4g}")] += count
        else:
            kind = "count" if isinstance(point, Count) else "gauge"
            others[kind, point.name, point.value, point.tags] += 1
    assert wanted == seen
    assert others == got


def workload(series: int, rng: np.random.Generator) -> list[Point]:
    """Return what a few models send: gauges of features, counts, latencies."""
    sent: list[Point] = []
    for number in range(series):
        known = attribute_tags({"model_name": f"fraud_{number % 5}", "model_version": "3"})
        own = (*known, f"feature:{'x' * int(rng.integers(3, 60))}{number}", "window:1000rows")
        if number % 10 == 0:
            values, counts = np.unique(
                np.round(rng.lognormal(-5, 1.5, 1000), 4), return_counts=True
            )
            seen = dict(zip(values.tolist(), counts.tolist(), strict=True))
            sent.append(distribution("model.request.latency", seen, known))
        elif number % 3 == 0:
            sent.append(Count("model.requests", float(rng.integers(1, 10**6)), known, 10.0, NOW_S))
        else:
            sent.append(Gauge("drift.psi.value", float(rng.random()), own, NOW_S))
    return sent


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("series", [1, 20, 500, 3000])
def test_packets_are_full(limit: int, series: int) -> None:
    """Their number is at most 1.1 of what so many bytes need."""
    packets, _ = pack(workload(series, np.random.default_rng(7)), limit)
    needed = math.ceil(sum(map(len, packets)) / limit)
    assert len(packets) <= 1.1 * needed


def test_how_often_is_said_compactly() -> None:
    """A value that came ten thousand times is no ten thousand values."""
    (packet,), _ = pack([distribution("d", {0.5: 10_000}, ())], 1432)
    assert {"d": 10_000} == {m.name: 10_000 for m in arrived([packet])}
    assert 10_000 == sum(metric.weight * len(metric.values) for metric in arrived([packet]))
    assert len(packet) < 150


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**50), min_size=1, max_size=5))
def test_any_count_is_exact(counts: list[int]) -> None:
    """The Agent cuts the number that a rate stands for to an integer: none is lost by it."""
    seen = {float(number + 1): count for number, count in enumerate(counts)}
    packets, _ = pack([distribution("d", seen, ())], 1432)
    assert sum(counts) == sum(m.weight * len(m.values) for m in arrived(packets))


def test_a_long_line_has_a_packet_of_its_own() -> None:
    """Up to what the Agent reads; what is longer is named and the rest goes."""
    many = tuple(f"key_{number}:{'x' * 190}" for number in range(30))
    more = tuple(f"key_{number}:{'x' * 190}" for number in range(60))
    sent: list[Point] = [
        Gauge("long", 1.0, many, NOW_S),
        Gauge("longer", 1.0, more, NOW_S),
        distribution("long.d", {1.0: 3, 2.0: 1}, many),
        distribution("longer.d", {1.0: 3}, more),
        Gauge("short", 1.0, (), NOW_S),
    ]
    packets, too_long = pack(sent, 1432)
    assert ["longer", "longer.d"] == too_long
    assert {"long", "long.d", "short"} == {metric.name for metric in arrived(packets)}
    assert 4 == sum(m.weight * len(m.values) for m in arrived(packets) if m.name == "long.d")


def test_gauges_say_when_and_counts_do_not() -> None:
    """The Agent adds up counts without a time only, and throws away distributions with one."""
    sent: list[Point] = [
        Gauge("g", 1.5, ("a:b",), NOW_S),
        Count("c", 2.0, ("a:b",), 10.0, NOW_S),
        distribution("d", {1.0: 1}, ("a:b",)),
    ]
    packets, _ = pack(sent, 1432, ("dd.internal.entity_id:pod",))
    assert [
        b"g:1.5|g|#a:b,dd.internal.entity_id:pod|T1795000000\n"
        b"c:2|c|#a:b,dd.internal.entity_id:pod\n"
        b"d:1|d|#a:b,dd.internal.entity_id:pod"
    ] == packets


def test_no_points_are_no_packet() -> None:
    """An export of nothing sends nothing."""
    assert ([], []) == pack([], 1432)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1, max_size=150))
def test_any_event_is_one_line(title: str, text: str, key: str) -> None:
    """Lengths are of bytes, and line breaks come back as they were."""
    sent = DatadogEvent(f"x{title}", f"x{text}", "warning", f"k{key}", ("feature:age",), NOW_S)
    (event,) = read(event_line(sent), NOW_S)
    assert isinstance(event, Event)
    assert "warning" == event.fields["t"]
    assert ("feature:age",) == event.tags


def test_an_event_says_what_it_was_given() -> None:
    """Title, text, type, thread and time."""
    sent = DatadogEvent("Age drifted", "PSI 0.3\n> 0.2", "error", "fraud 3|age", (), NOW_S)
    assert [
        Event(
            "Age drifted",
            "PSI 0.3\n> 0.2",
            (),
            {"d": "1795000000", "k": "fraud_3_age", "t": "error"},
        )
    ] == read(event_line(sent), NOW_S)
