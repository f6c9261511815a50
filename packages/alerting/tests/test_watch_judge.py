"""The watcher's judgement on the stories that Prometheus's own rule engine is held to."""

from __future__ import annotations

import dataclasses
import random
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting import AlertDefinition, load, rule_groups
from tidegauge_alerting.alert_file import own_sources
from tidegauge_alerting.definitions import Comparison
from tidegauge_alerting.measures import (
    Across,
    EventGuard,
    Last,
    Quantile,
    RowGuard,
    Together,
    Vanished,
    Where,
)
from tidegauge_alerting.watch import judge
from tidegauge_alerting.watch.alerts import Alerts
from tidegauge_alerting.watch.history import History, Sample
from tidegauge_alerting.watch.vector import Labels, labels_of
from tidegauge_alerting.watch.words import filled
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import MetricSpec, metrics
from tidegauge_testkit.backends.stories import Firing, Series, Story, play

if TYPE_CHECKING:
    from collections.abc import Iterator


MINUTE_S = 60
DEFAULT_ALERTS = load(sources=own_sources()).alerts
BY_NAME = {alert.name: alert for alert in DEFAULT_ALERTS}
FOUND = [runpy.run_path(str(p)) for p in sorted(Path(__file__).parent.glob("test_promtool_*.py"))]
STORIES: tuple[Story, ...] = tuple(
    story for found in FOUND for story in found["STORIES"] if story.alert in BY_NAME
)
TEXTS: dict[str, tuple[str, ...]] = {
    name: texts
    for found in FOUND
    for name, texts in found.get("TEXTS", {}).items()
    if name in BY_NAME
}

MINUTES = 90
STORIES_EACH = 10
VALUES = {
    "model_name": ("fraud", "churn"),
    "model_version": ("3", ""),
    "operation": ("predict",),
    "status": ("success", "error"),
    "reference": ("0a1b",),
    "feature": ("", "age", "sex"),
    "window": ("1d",),
    "detector": ("adwin", "ddm"),
    "family": ("inputs", "outputs", "data_quality", "segments", "correlation", "reference"),
    "cause": ("otlp", "record:KeyError"),
    "state": ("seen", "dropped", "reference_mismatch"),
}
PODS = ({"job": "serve", "instance": "a:1"}, {"job": "serve", "instance": "b:1"})
LE = ("0.25", "0.5", "1.0", "10.0", "+Inf")
# With fewer models, and fewer rows in a minute, than it takes to wake somebody.
EASY = {
    "ManyModelsDrift": dataclasses.replace(BY_NAME["ManyModelsDrift"], guard=EventGuard(2)),
    "RowsDropped": dataclasses.replace(
        BY_NAME["RowsDropped"], guard=EventGuard(5), threshold=0.3, for_s=60
    ),
}
BAND = dataclasses.replace(
    BY_NAME["DataDriftDetected"],
    comparison=Comparison.OUTSIDE,
    low=0.1,
    recovery=None,
)
PUT_TOGETHER: tuple[tuple[Together, Together, float], ...] = (
    ("max", "sum", 2),
    ("avg", "max", 0.45),
    ("sum", "count", 2),
)
ACROSS = tuple(
    dataclasses.replace(
        BY_NAME["InputDrift"],
        measure=Across(each, ("model_name",), over, (), (Where("family", ("inputs",)),)),
        comparison=Comparison.AT_LEAST,
        threshold=threshold,
        summary="",
        description="",
        first_steps="",
        see=(),
        recovery=None,
    )
    for each, over, threshold in PUT_TOGETHER
)
NO_RECOVERY = dataclasses.replace(BY_NAME["HighErrorRate"], recovery=None)
JUDGED = [EASY.get(each.name, each) for each in DEFAULT_ALERTS if judge.can_judge(each)]
ALERTS = (*JUDGED, NO_RECOVERY, BAND, *ACROSS)


PSI = prometheus_name(metrics.DRIFT_PSI_VALUE)
ROWS = prometheus_name(metrics.DRIFT_EFFECTIVE_ROWS)
OF_AGE = {"model_name": "fraud", "feature": "age", "window": "1d", **PODS[0]}
OF_INPUTS = {"model_name": "fraud", "window": "1d", "family": "inputs", **PODS[0]}
FAILED = {"model_name": "fraud", "status": "error", **PODS[0]}
# What the default alerts' stories do not tell: of each alert here, a story of its own.
VARIANTS = (
    (
        dataclasses.replace(BY_NAME["DataDriftDetected"], threshold=0.3, recovery=0.1, for_s=0),
        Story(
            "DataDriftDetected",
            "it goes on until the value is below the recovery, and does not begin there",
            (
                Series(PSI, "0.2x3 0.4x3 0.2x3 0.05x3 0.2x3", OF_AGE),
                Series(ROWS, "1000x20", OF_AGE),
            ),
            (Firing(3), Firing(4, (OF_AGE,)), Firing(11, (OF_AGE,)), Firing(12), Firing(18)),
        ),
    ),
    (
        BAND,
        Story(
            "DataDriftDetected",
            "below the band, in it, above it",
            (Series(PSI, "0.05x4 0.15x4 0.4x4", OF_AGE), Series(ROWS, "1000x20", OF_AGE)),
            (Firing(3, (OF_AGE,)), Firing(7), Firing(13, (OF_AGE,))),
        ),
    ),
    (
        BY_NAME["InputDrift"],
        Story(
            "InputDrift",
            "muted for a while",
            (
                Series(prometheus_name(metrics.DRIFT_DETECTED), "1x20", OF_INPUTS),
                Series(prometheus_name(metrics.DRIFT_MUTED), "_x5 1x5 stale _x10", OF_INPUTS),
            ),
            (Firing(4, (OF_INPUTS,)), Firing(5), Firing(10), Firing(12, (OF_INPUTS,))),
        ),
    ),
    (
        ACROSS[0],
        Story(
            "InputDrift",
            "two models together, until one is muted",
            (
                *(
                    Series(
                        prometheus_name(metrics.DRIFT_DETECTED),
                        "1x20",
                        {**OF_INPUTS, "model_name": name},
                    )
                    for name in ("fraud", "churn")
                ),
                Series(prometheus_name(metrics.DRIFT_MUTED), "_x5 1x15", OF_INPUTS),
            ),
            (Firing(4, ({},)), Firing(6)),
        ),
    ),
    (
        dataclasses.replace(BY_NAME["HighErrorRate"], for_s=0, guard=EventGuard(15)),
        Story(
            "HighErrorRate",
            "what failed before a restart and after it is added up",
            (Series(prometheus_name(metrics.MODEL_REQUESTS), "0+5x5 0+5x5", FAILED),),
            (Firing(0), Firing(9, ({"model_name": "fraud"},))),
        ),
    ),
)


def told(story: Story, definition: AlertDefinition) -> Iterator[dict[Labels, float]]:
    """Yield the alerts that fire at each minute of a story, with their values."""
    history = History(judge.reads([definition]))
    alerts = Alerts()
    series = [(each.name, labels_of(each.labels.items()), each.samples()) for each in story.series]
    for minute in range(max(firing.minute for firing in story.firing) + 1):
        at_s = minute * MINUTE_S
        for name, labels, values in series:
            value = values[minute] if minute < len(values) else None
            if value is not None and name in history.names:
                history.put(at_s, Sample(name, labels, value))
        firing = [each.labels for each in alerts.firing(definition.name)]
        holds = judge.judge(definition, history, at_s, firing)
        list(alerts.step(definition, holds, at_s))
        history.forget(at_s)
        yield {each.labels: each.value for each in alerts.firing(definition.name)}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.alert}: {story.title}")
def test_a_story_ends_as_in_prometheus(story: Story) -> None:
    """At each minute that a story tells of, the same alerts fire as in Prometheus."""
    found = list(told(story, BY_NAME[story.alert]))
    expected = {
        firing.minute: {labels_of(alert.items()) for alert in firing.alerts}
        for firing in story.firing
    }
    assert expected == {minute: set(found[minute]) for minute in expected}


each_variant = pytest.mark.parametrize(
    ("alert", "story"), VARIANTS, ids=[story.title for _, story in VARIANTS]
)


@each_variant
def test_a_story_of_a_changed_alert(alert: AlertDefinition, story: Story) -> None:
    """Recovery, bands, mutes and restarts do what their stories say."""
    found = list(told(story, alert))
    for firing in story.firing:
        assert {labels_of(each.items()) for each in firing.alerts} == set(found[firing.minute])


@pytest.mark.backends
@each_variant
def test_a_story_of_a_changed_alert_in_prometheus(
    alert: AlertDefinition, story: Story, tmp_path: Path
) -> None:
    """The same in Prometheus's own rule engine."""
    play([story], rule_groups([alert]), tmp_path, labels={"severity": alert.severity.value})


@pytest.mark.parametrize("name", TEXTS)
def test_an_alert_reads_as_in_prometheus(name: str) -> None:
    """At the first firing of its first story, its texts are those that Prometheus shows."""
    alert = BY_NAME[name]
    story = next(story for story in STORIES if story.alert == name).until_it_fires()
    labels, value = next(iter(list(told(story, alert))[-1].items()))
    texts = (alert.summary, alert.description, alert.first_steps)
    assert TEXTS[name] == tuple(filled(text, alert, labels, value) for text in texts)


def test_every_default_alert_has_stories() -> None:
    """No alert that is judged here is without a story in which it fires."""
    fires = {story.alert for story in STORIES for firing in story.firing if firing.alerts}
    assert {alert.name for alert in DEFAULT_ALERTS if judge.can_judge(alert)} <= fires


def stories(alert: AlertDefinition, chance: random.Random) -> Iterator[Story]:
    """Yield stories of the series that an alert reads."""
    for number in range(STORIES_EACH):
        series: list[Series] = []
        for pod in PODS[: chance.choice((1, 2))]:
            series.append(Series("up", gauge(chance, (0, 1), 0.1), pod))
            series += of_metric(alert, alert.metric, pod, chance)
            if isinstance(alert.guard, RowGuard):
                series += of_metric(alert, alert.guard.metric, pod, chance)
            if "reference" in alert.metric.attributes and chance.random() < 0.5:
                series += of_metric(alert, metrics.DRIFT_MUTED, pod, chance, share=0.3)
        yield Story(alert.name, f"{alert.name} {number}", tuple(series), ())


def of_metric(
    alert: AlertDefinition, metric: MetricSpec, pod: dict[str, str], chance: random.Random,
    share: float = 0.7,
) -> Iterator[Series]:  # fmt: skip
    """Yield series of a metric with some of the values that its labels can have."""
    sets: list[dict[str, str]] = [pod]
    for key in metric.attributes:
        values = VALUES.get(key, ("",))
        if metric is metrics.DRIFT_MUTED and key == "window":
            values = (*values, "")  # of all kinds at once
        sets = [{**each, key: value} for each in sets for value in values]
    # A model is gone where all its series are: few of them.
    share = 0.2 if isinstance(alert.measure, Vanished) else share
    name = prometheus_name(metric)
    for labels in sets:
        if chance.random() > share:
            continue
        full = {key: value for key, value in labels.items() if value}
        if isinstance(alert.measure, Quantile):
            yield from histogram(name, full, chance)
        elif name.endswith("_total"):
            yield Series(name, counter(chance), full)
        else:
            yield Series(name, gauge(chance, levels(alert, metric), 0.1), full)


def levels(alert: AlertDefinition, metric: MetricSpec) -> tuple[float, ...]:
    """Return values about those that an alert asks for."""
    if metric is alert.metric and isinstance(alert.measure, Last):
        asked = (alert.low or 0.0, alert.recovery or 0.0, alert.threshold)
        return (*asked, *(each * factor for each in asked for factor in (0.9, 1.1)), 1.0)
    if isinstance(alert.guard, RowGuard) and metric is alert.guard.metric:
        return (alert.guard.minimum - 1, alert.guard.minimum, 2 * alert.guard.minimum)
    return (0.0, 1.0)


def histogram(name: str, labels: dict[str, str], chance: random.Random) -> Iterator[Series]:
    """Yield the buckets of a histogram."""
    counts = [0.0] * len(LE)
    rows: list[list[str]] = [[] for _ in LE]
    speed = [chance.choice((0, 1, 5, 40)) for _ in LE]
    for _ in range(MINUTES):
        gained = 0.0
        for i, each in enumerate(speed):
            gained += chance.randint(0, each)
            counts[i] += gained
            rows[i].append(f"{counts[i]:g}")
    for le, values in zip(LE, rows, strict=True):
        yield Series(f"{name}_bucket", " ".join(values), {**labels, "le": le})


def gauge(chance: random.Random, values: tuple[float, ...], moves: float) -> str:
    """Return a gauge that jumps, with holes and ends."""
    words, value = [], chance.choice(values)
    for _ in range(MINUTES):
        if chance.random() < moves:
            value = chance.choice(values)
        words.append(hole(chance) or f"{value:.10g}")
    return " ".join(words)


def counter(chance: random.Random) -> str:
    """Return a counter that runs at a changing speed, with restarts, holes and ends."""
    words, value, speed = [], float(chance.choice((0, 3, 1000))), 0
    begins, leaves = chance.choice((0, 0, 20)), chance.choice((MINUTES, 30, 50))
    for minute in range(MINUTES):
        if chance.random() < 0.1:
            speed = chance.choice((0, 0, 1, 7, 60))
        if chance.random() < 0.02:
            value = 0
        value += chance.randint(0, speed)
        here = begins <= minute < leaves
        words.append(hole(chance) or f"{value:g}" if here else "_")
    return " ".join(words)


def hole(chance: random.Random) -> str:
    """Return a missing sample now and then."""
    draw = chance.random()
    return "_" if draw < 0.04 else "stale" if draw < 0.06 else f"_x{7}" if draw < 0.065 else ""


@pytest.mark.backends
@pytest.mark.parametrize("number", range(len(ALERTS)), ids=lambda i: f"{i}-{ALERTS[i].name}")
def test_the_watcher_agrees_with_prometheus(number: int, tmp_path: Path) -> None:
    """Onsets and ends of all alerts are those of the rendered rules."""
    alert = ALERTS[number]
    chance = random.Random(number)
    found = []
    begins = ends = 0
    for story in stories(alert, chance):
        longest = max(len(series.samples()) for series in story.series)
        whole = dataclasses.replace(story, firing=tuple(map(Firing, range(longest))))
        minutes = [set(each) for each in told(whole, alert)]
        for before, after in zip([set(), *minutes], minutes, strict=False):
            begins += len(after - before)
            ends += len(before - after)
        firing = (
            Firing(i, tuple(dict(labels) for labels in sorted(each)))
            for i, each in enumerate(minutes)
        )
        found.append(dataclasses.replace(story, firing=tuple(firing)))
    print(f"{alert.name}: {begins} onsets, {ends} ends")
    assert min(begins, ends) >= 3
    play(found, rule_groups([alert]), tmp_path, labels={"severity": alert.severity.value})


@pytest.mark.parametrize("alert", [*load().alerts, *load().off], ids=lambda alert: alert.name)
def test_every_installed_alert_is_judged_or_said_not_to_be(alert: AlertDefinition) -> None:
    """A new measure or guard, of whatever package, is noticed."""
    history = History(judge.reads([alert]))
    if judge.can_judge(alert):
        assert {} == judge.judge(alert, history, 0.0)
    else:
        with pytest.raises(TypeError, match="expected one that can be computed from scrapes"):
            judge.judge(alert, history, 0.0)
