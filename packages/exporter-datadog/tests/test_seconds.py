"""Of one second Datadog keeps one value of a series: no two collections share one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegauge.group import Group
from tidegauge_exporter_datadog.merging import merged
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point
from tidegauge_exporter_datadog.seconds import Seconds


def count(start_s: float, end_s: float, value: float = 1.0) -> Count:
    """Return a count of an interval."""
    return Count("c", value, (), end_s - start_s, end_s)


def test_the_second_of_a_collection_is_its_own() -> None:
    """As long as nobody has it."""
    seconds = Seconds()
    assert 110 == seconds.take([count(100.5, 110.2)], now=False)
    assert 120 == seconds.take([Gauge("g", 1.0, (), 120.9)], now=False)


def test_a_second_collection_of_a_second_waits_or_has_the_next() -> None:
    """It waits while more will come; where the process may end it can not."""
    seconds = Seconds()
    assert 110 == seconds.take([count(100.0, 110.2)], now=False)
    assert seconds.take([Gauge("g", 1.0, (), 110.9)], now=False) is None
    assert 111 == seconds.take([Gauge("g", 1.0, (), 110.9)], now=True)


def test_who_takes_over_knows_when_the_last_one_ended() -> None:
    """Though nothing is written down: an interval that began in a second is not of that second."""
    assert 111 == Seconds().take([count(110.2, 110.9)], now=False)


def test_who_takes_over_reads_which_second_was_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one before may have been a second ahead when it ended."""
    kept: dict[str, bytes] = {}
    monkeypatch.setattr(Group, "keep", lambda self, name, payload: kept.update({name: payload}))
    monkeypatch.setattr(Group, "kept", lambda self, name: kept.get(name))
    first = Seconds()
    assert [110, 111] == [
        first.take([count(100.0, 110.1)], now=False),
        first.take([count(110.1, 110.6)], now=True),
    ]
    second = Seconds()
    assert second.take([count(110.6, 111.2)], now=False) is None
    assert 112 == second.take([count(110.6, 112.2)], now=False)
    kept["datadog.second"] = b"of another release"
    assert 111 == Seconds().take([count(110.6, 111.2)], now=False)


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    """What is collected then has its time."""
    seconds = Seconds()
    seconds.take([count(9_990.0, 10_000.0)], now=False)
    assert 6_400 == seconds.take([count(6_390.0, 6_400.0)], now=False)


def test_who_flushes_all_the_time_stays_in_the_present() -> None:
    """What does not go waits for a later flush."""
    seconds = Seconds()
    found = [seconds.take([Gauge("g", 1.0, (), 100 + i / 100)], now=True) for i in range(1_000)]
    taken = [second for second in found if second is not None]
    assert sorted(set(taken)) == taken
    assert max(second - (100 + i / 100) for i, second in enumerate(found) if second) <= 6


class Launch:
    """Processes that lead one after the other; counts as Datadog keeps them: the last wins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_s = 1_000.0
        self.kept: dict[int, float] = {}
        self.record: bytes | None = None
        self.writes = True
        monkeypatch.setattr(Group, "keep", self._keep)
        monkeypatch.setattr(Group, "kept", lambda group, name: self.record)
        self.lead()

    def _keep(self, name: str, payload: bytes) -> bool:
        if self.writes:
            self.record = payload
        return self.writes

    def lead(self) -> None:
        """Let a new process lead, which has sent nothing yet."""
        self.seconds = Seconds()
        self.held: list[Point] = []

    def export(self, after_s: float, *, now: bool = False) -> None:
        """Collect one more, and send what may be sent."""
        begun_s, self.at_s = self.at_s, self.at_s + after_s
        self.held = list(merged(self.held, [count(begun_s, self.at_s)]))
        self.send(now=now)

    def send(self, *, now: bool) -> None:
        """Send what is held, if it has a second."""
        second = self.seconds.take(self.held, self.at_s, now=now) if self.held else None
        if second is not None:
            assert second not in self.kept
            assert second <= self.at_s + 6
            ((_, value),) = [(point.name, getattr(point, "value", 0.0)) for point in self.held]
            self.kept[second] = value
            self.held = []


STEPS = st.lists(
    st.tuples(st.floats(0.01, 3.0), st.sampled_from(["export", "flush", "end"])),
    min_size=1,
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_collected_whenever_every_count_is_kept(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[float, str]]
) -> None:
    """Also where a process ends: it sends what it holds when another leads already."""
    launch = Launch(monkeypatch)
    for after_s, what in steps:
        launch.export(after_s, now=what == "flush")
        if what == "end":
            old = launch.seconds, launch.held
            launch.lead()
            launch.export(0.01)
            new = launch.seconds, launch.held
            launch.seconds, launch.held = old
            launch.writes = False
            launch.send(now=True)
            launch.writes = True
            assert not launch.held or launch.seconds._reserved - launch.at_s > 4
            left = launch.held
            launch.seconds, launch.held = new
            launch.held = list(merged(left, launch.held))
    launch.at_s += 100.0
    launch.send(now=False)
    ends = sum(what == "end" for _, what in steps)
    assert len(steps) + ends == sum(launch.kept.values())


def test_points_of_two_collections_are_one_a_series() -> None:
    """Counts and distributions add up; of a gauge the later value stays; nothing else is lost."""
    tags = ("a:b",)
    earlier: list[Point] = [
        Count("c", 2.0, tags, 10.0, 110.0),
        Gauge("g", 1.0, tags, 110.0),
        Distribution("d", (0.5, 1.0), (1, 2), tags, 110.0),
        Gauge("gone", 1.0, tags, 110.0),
    ]
    later: list[Point] = [
        Count("c", 3.0, tags, 0.5, 110.5),
        Count("c", 4.0, (), 0.5, 110.5),
        Gauge("g", 7.0, tags, 110.5),
        Distribution("d", (1.0,), (4,), tags, 110.5),
    ]
    found = {(point.name, point.tags): point for point in merged(earlier, later)}
    assert Count("c", 5.0, tags, 10.5, 110.5) == found["c", tags]
    assert 4.0 == getattr(found["c", ()], "value", None)
    assert Gauge("g", 7.0, tags, 110.5) == found["g", tags]
    assert Gauge("gone", 1.0, tags, 110.0) == found["gone", tags]
    spread = found["d", tags]
    assert isinstance(spread, Distribution)
    seen: Counter[float] = Counter()
    for value, number in zip(spread.values, spread.counts, strict=True):
        seen[value] += number
    assert {0.5: 1, 1.0: 6} == seen
    assert later is merged([], later)
