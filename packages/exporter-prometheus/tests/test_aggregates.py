"""Workers' families merged are what one process that saw everything would show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics._internal.exemplar import Exemplar
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from tidegauge.exact import Exact
from tidegauge_exporter_prometheus import codec
from tidegauge_exporter_prometheus.aggregates import Collection, archive, merge
from tidegauge_exporter_prometheus.buckets import Buckets
from tidegauge_exporter_prometheus.codec import Snapshot
from tidegauge_exporter_prometheus.families import families
from tidegauge_exporter_prometheus.mapping import collection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegauge_exporter_prometheus.aggregates import Aggregate

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]

# Eighths: their sums are exact, in the SDK too.
VALUES = st.integers(1, 80_000).map(lambda number: number / 8)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["jobs", "in_flight", "seconds", "sizes", "system.io"]),
        VALUES,
        st.sampled_from(["a", "b"]),
    ),
    max_size=40,
)


class Worker:
    """A process's real SDK, with one instrument of each kind that adds."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        fine = ExponentialBucketHistogramAggregation()
        self.provider = MeterProvider(
            [self.reader],
            views=[View(instrument_type=Histogram, instrument_name="sizes", aggregation=fine)],
            shutdown_on_exit=False,
        )
        meter = self.provider.get_meter("app")
        bounds = [1.0, 10.0, 100.0, 1000.0]
        self.record = {
            "jobs": meter.create_counter("jobs").add,
            "in_flight": meter.create_up_down_counter("in_flight").add,
            "seconds": meter.create_histogram(
                "seconds", "s", explicit_bucket_boundaries_advisory=bounds
            ).record,
            "sizes": meter.create_histogram("sizes", "By").record,
            "system.io": meter.create_counter("system.io").add,
        }

    def aggregates(self) -> tuple[Aggregate, ...]:
        """Collect, and send the result through the codec, as it is between processes."""
        found = collection(self.reader.get_metrics_data())
        others = tuple(each for each in found.others if not each.name.startswith("otel_sdk"))
        snapshot = Snapshot(found.target, others)
        assert codec.decode(codec.encode(snapshot)) == snapshot
        return codec.decode(codec.encode(snapshot)).aggregates


def series(aggregates: Iterable[Aggregate]) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families([Collection(None, (), tuple(aggregates))])
        for sample in family.samples
    }


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.permutations(range(4)))
def test_workers_together_show_what_one_process_would(
    events: list[tuple[int, str, float, str]], order: list[int]
) -> None:
    """Sums, up-down sums and both kinds of histograms, whoever counted what."""
    workers = [Worker() for _ in range(4)]
    one = Worker()
    for worker, name, value, key in events:
        for each in (workers[worker], one):
            each.record[name](value, {"k": key})
    parts = [(str(number), workers[number].aggregates()) for number in order]
    expected = series(one.aggregates())
    host = {
        (name, labels): max(series(aggregates).get((name, labels), 0.0) for _, aggregates in parts)
        for name, labels in expected
        if name == "system_io_total"
    }
    assert expected | host == series(merge(parts))


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.permutations(range(4)), st.integers(0, 4))
def test_what_was_counted_stays_when_workers_die(
    events: list[tuple[int, str, float, str]], order: list[int], dead: int
) -> None:
    """Counters and histograms of the dead are in the archive, in whatever order they went."""
    workers = [Worker() for _ in range(4)]
    for worker, name, value, key in events:
        workers[worker].record[name](value / 3, {"k": key})
    parts = [(str(number), workers[number].aggregates()) for number in order]
    before = series(merge(parts))
    kept: list[Aggregate] = []
    for _, aggregates in parts[:dead]:
        archived = Snapshot(None, tuple(archive([kept, aggregates])))
        kept = list(codec.decode(codec.encode(archived)).aggregates)
    after = series(merge([("archive", kept), *parts[dead:]]))
    lasting = {key: value for key, value in before.items() if key[0] != "in_flight"}
    assert lasting == {key: value for key, value in after.items() if key[0] != "in_flight"}


def test_gauges_stay_apart(build: Any) -> None:
    """Each worker's gauge has its label; an app's own label of that name is kept under another."""
    gauge = build.gauge("heat", build.point(1.0, {"k": "v"}), build.point(3.0, {"worker": "mine"}))
    (one,) = others(build, gauge)
    (two,) = others(build, build.gauge("heat", build.point(2.0, {"k": "v"})))
    scope = (("otel_scope_name", "app"), ("otel_scope_schema_url", ""), ("otel_scope_version", ""))
    found = series(merge([("11", [one]), ("12", [two])]))
    assert found == {
        ("heat", (("exported_worker", ""), ("k", "v"), *scope, ("worker", "11"))): 1.0,
        ("heat", (("exported_worker", "mine"), ("k", ""), *scope, ("worker", "11"))): 3.0,
        ("heat", (("exported_worker", ""), ("k", "v"), *scope, ("worker", "12"))): 2.0,
    }
    assert archive([[one], [two]]) == []


def others(build: Any, *metrics: Any, scope: str = "app") -> list[Aggregate]:
    return list(collection(build.data(build.scope(*metrics, name=scope))).others)


def test_what_counts_the_host_is_not_added(build: Any) -> None:
    """Every worker reads the same host: the largest is the newest."""
    for name in ("system.network.io", "hw.errors"):
        parts = [
            (str(value), others(build, build.counter(name, build.point(value))))
            for value in (7.0, 9.0, 8.0)
        ]
        assert list(series(merge(parts)).values()) == [9.0]
        kept = archive([aggregates for _, aggregates in parts])
        assert list(series(kept).values()) == [9.0]


@pytest.mark.parametrize("what", ["kind", "unit", "bounds", "sum or gauge"])
def test_a_family_on_which_workers_differ_is_left_out(
    build: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names it and says why; its neighbours are shown; the archive changes nothing."""
    one, two = {
        "kind": (build.counter("x", build.point(1)), build.gauge("x", build.point(1))),
        "unit": (
            build.counter("x_bytes", build.point(1)),
            build.counter("x", build.point(1), unit="By"),
        ),
        "bounds": (
            build.histogram("x", build.histogram_point([1.0], [1, 1])),
            build.histogram("x", build.histogram_point([2.0], [1, 1])),
        ),
        "sum or gauge": (
            build.gauge("x", build.point(1)),
            build.counter("x", build.point(1)),
        ),
    }[what]
    good = build.counter("good", build.point(1))
    parts = [others(build, one, good), others(build, two, good), others(build, one, good)]
    for _ in range(2):
        found = merge(zip("abc", parts, strict=True))
        assert [aggregate.name for aggregate in found] == ["good"]
    assert list(series(found).values()) == [3.0]
    (record,) = caplog.records
    differences = {
        "kind": "counter add  in one worker, gauge apart  in another",
        "unit": "counter add  in one worker, counter add bytes in another",
        "bounds": "the bounds of the buckets differ",
        "sum or gauge": "gauge apart  in one worker, counter add  in another",
    }
    source = "'x_bytes'" if what == "unit" else "'x'"
    if what != "unit":
        assert record.getMessage() == (
            f"metric {source} of scope 'app': the workers do not agree: {differences[what]}. "
            "It is left out of the Prometheus endpoint; create it alike in all workers."
        )
    if what in {"bounds", "unit"}:
        kept = archive([archive(parts[:2]), parts[2]])
        assert [a.name for a in merge([("archive", kept), ("d", others(build, good))])] == ["good"]
        assert len(archive([kept, parts[0], parts[1]])) == len(kept) == 3


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 3)), max_size=6),
        min_size=3,
        max_size=3,
    )
)
def test_octaves_add_in_any_order(cells: list[list[tuple[int, int]]]) -> None:
    """Bounds that only the values made are united; every count that is shown is exact."""
    one, two, three = (octaves(each) for each in cells)
    total = one.plus(two).plus(three)
    assert total == one.plus(two.plus(three)) == three.plus(one).plus(two)
    assert total.counts[-1] == one.counts[-1] + two.counts[-1] + three.counts[-1]
    for bound, count in zip(total.bounds, total.counts, strict=False):
        for each in (one, two, three):
            assert each.knows(bound)
        assert count == sum(
            each.counts[each.index(bound) - (bound not in each.bounds)]
            if each.index(bound) or bound in each.bounds
            else 0
            for each in (one, two, three)
        )


def octaves(cells: Sequence[tuple[int, int]]) -> Buckets:
    """Return buckets with these counts; those that are missing are wider, as of a rescaled one."""
    wide: dict[float, int] = {0.0: 0}
    for exponent, count in cells:
        wide[2.0**exponent] = count
    bounds = tuple(sorted(wide))
    counts = [sum(wide[bound] for bound in bounds[: index + 1]) for index in range(len(bounds))]
    return Buckets(bounds, (*counts, counts[-1]), Exact((1.0,)), octaves=True)


def test_a_sum_that_one_worker_does_not_know_is_not_shown(build: Any) -> None:
    """A total without one worker's part would be wrong."""
    known = others(build, build.histogram("h", build.histogram_point([1.0], [1, 1])))
    unknown = others(build, build.histogram("h", build.histogram_point([1.0], [1, 1], total=None)))
    found = series(merge([("a", known), ("b", unknown)]))
    assert {"h_bucket", "h_count"} == {name for name, _ in found}


def test_the_newest_exemplar_of_a_bucket_is_kept(build: Any) -> None:
    """Each bucket points to the last call that any worker put in it."""

    def worker(value: float, at: int) -> list[Aggregate]:
        pointer = Exemplar({}, value, at * 10**9, span_id=0xA, trace_id=at)
        point = build.histogram_point([1.0, 2.0], [1, 1, 1], exemplars=[pointer])
        found = Snapshot(None, tuple(others(build, build.histogram("h", point))))
        return list(codec.decode(codec.encode(found)).aggregates)

    parts = [("a", worker(0.5, 2)), ("b", worker(0.6, 1)), ("c", worker(1.5, 3))]
    (family,) = families([Collection(None, (), tuple(merge(parts)))])
    pointers = [s.exemplar for s in family.samples if s.exemplar is not None]
    assert [0.5, 1.5] == [exemplar.value for exemplar in pointers]
    assert [f"{2:032x}", f"{3:032x}"] == [found.labels["trace_id"] for found in pointers]


def test_infinity_survives_the_way(build: Any) -> None:
    """A gauge may be infinite in every worker."""
    gauge = build.gauge("g", build.point(math.inf), build.point(-math.inf, {"k": "v"}))
    snapshot = Snapshot({"service_name": "shop"}, tuple(others(build, gauge)))
    assert codec.decode(codec.encode(snapshot)) == snapshot


@pytest.mark.parametrize("payload", [b"{}", b"[]", b"", b"\xff", b'{"format":2}'])
def test_what_another_release_wrote_is_refused(payload: bytes) -> None:
    """A worker of another release is told apart, never misread."""
    with pytest.raises(ValueError):  # noqa: PT011 - json has its own texts
        codec.decode(payload)


def test_a_target_is_described_by_what_all_share() -> None:
    """What differs between workers would change with whoever answers."""
    one, two = {"service_name": "shop", "process_pid": "1"}, {"service_name": "shop", "x": "y"}
    assert codec.common_target([one, None, two]) == {"service_name": "shop"}
    assert codec.common_target([None]) is None
