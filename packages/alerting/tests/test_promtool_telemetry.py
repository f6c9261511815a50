"""The alerts on telemetry itself, in Prometheus's own rule engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting import AlertDefinition, rule_groups
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends.stories import Firing, Labels, Series, Story, play

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ALERTS = load(sources=own_sources()).alerts
pytestmark = pytest.mark.backends

GROUPS = rule_groups(DEFAULT_ALERTS)

REQUESTS = prometheus_name(metrics.MODEL_REQUESTS)
ROWS = prometheus_name(metrics.TIDEGAUGE_ROWS)
FAULTS = prometheus_name(metrics.TIDEGAUGE_ERRORS)
EXPORTS = prometheus_name(metrics.TIDEGAUGE_EXPORT_FAILURES)

MODEL = {"model_name": "fraud", "model_version": "3"}
POD = {"job": "serve", "instance": "10.0.0.1:9464"}
OTHER_POD = {"job": "serve", "instance": "10.0.0.2:9464"}


def requests(values: str, status: str, labels: Labels = MODEL, pod: Labels = POD) -> Series:
    """Return a series of requests."""
    return Series(REQUESTS, values, {**labels, "operation": "predict", "status": status, **pod})


def up(values: str, pod: Labels = POD) -> Series:
    """Return what Prometheus notes of a target's scrapes."""
    return Series("up", values, pod)


def rows(state: str, first: int, then: int) -> Series:
    """Return a series of rows that grows by so many a minute for three hours, then by others."""
    values = f"0+{first}x180 {180 * first}+{then}x60"
    return Series(ROWS, values, {**MODEL, "state": state, **POD})


STORIES = (
    Story(
        "ModelTelemetryMissing",
        "a busy model disappears; within the hour it is not missed any more",
        (requests("0+10x60 stale _x120", "success"), up("1x180")),
        (
            Firing(60),
            Firing(74),
            Firing(80, ({"model_name": "fraud"},)),
            Firing(100, ({"model_name": "fraud"},)),
            Firing(125),
            Firing(180),
        ),
    ),
    Story(
        "ModelTelemetryMissing",
        "it comes back",
        (requests("0+10x60 stale _x29 0+10x60", "success"),),
        (Firing(85, ({"model_name": "fraud"},)), Firing(95), Firing(140)),
    ),
    Story(
        "ModelTelemetryMissing",
        "a new version takes over",
        (
            requests("0+10x60 stale _x120", "success"),
            requests("_x59 0+10x121", "success", {**MODEL, "model_version": "4"}, OTHER_POD),
        ),
        (Firing(80), Firing(110)),
    ),
    Story(
        "ModelTelemetryMissing",
        "one of two processes is gone",
        (
            requests("0+10x60 stale _x120", "success"),
            requests("0+10x180", "success", pod=OTHER_POD),
        ),
        (Firing(80), Firing(110)),
    ),
    Story(
        "ModelTelemetryMissing",
        "an idle model is taken down",
        (requests("5000x60 stale _x120", "success"),),
        (Firing(80), Firing(110)),
    ),
    Story(
        "ModelTelemetryMissing",
        "a restart shorter than 15 minutes",
        (requests("0+10x60 stale _x9 0+10x60", "success"),),
        (Firing(69), Firing(75), Firing(100)),
    ),
    Story(
        "TelemetryTargetDown",
        "a target that has shown a model cannot be scraped for two hours",
        (
            up("1x10 0x120 1x10"),
            requests("0+10x10 stale _x119 0+10x10", "success"),
        ),
        (Firing(15), Firing(17, (POD,)), Firing(125, (POD,)), Firing(135)),
    ),
    Story(
        "TelemetryTargetDown",
        "it was taken out of the configuration: nobody looks for it",
        (up("1x10 0x10 stale _x30"), requests("0+10x10 stale _x40", "success")),
        (Firing(20, (POD,)), Firing(22), Firing(50)),
    ),
    Story(
        "TelemetryTargetDown",
        "a target without models is somebody else's",
        (up("0x30"), up("1x30", OTHER_POD), requests("0+10x30", "success", pod=OTHER_POD)),
        (Firing(20),),
    ),
    Story(
        "RowsDropped",
        "2 of 10,000 rows a minute are used for three hours, then half of them",
        (rows("seen", 10_000, 10_000), rows("used", 2, 5000), rows("dropped", 9998, 5000)),
        (Firing(10), Firing(60, (MODEL,)), Firing(180, (MODEL,)), Firing(200)),
    ),
    Story(
        "RowsDropped",
        "256 of 10,000 rows a call: sampled by design",
        (rows("seen", 10_000, 10_000), rows("used", 256, 256), rows("dropped", 9744, 9744)),
        (Firing(100), Firing(200)),
    ),
    Story(
        "RowsDropped",
        "all of a few rows",
        (rows("seen", 10, 10), rows("used", 0, 0), rows("dropped", 10, 10)),
        (Firing(100), Firing(200)),
    ),
    Story(
        "TidegaugeFaults",
        "one fault, the first of its cause, is a note for an hour",
        (Series(FAULTS, "_x9 1x120", {"cause": "drift.pane:KeyError", **POD}),),
        (
            Firing(8),
            Firing(15, ({"cause": "drift.pane:KeyError"},)),
            Firing(60, ({"cause": "drift.pane:KeyError"},)),
            Firing(80),
        ),
    ),
    Story(
        "TidegaugeFaults",
        "a known cause comes again, in any process",
        (
            Series(FAULTS, "3x100 4x100", {"cause": "record:TypeError", **POD}),
            Series(FAULTS, "3x200", {"cause": "record:TypeError", **OTHER_POD}),
        ),
        (Firing(90), Firing(105, ({"cause": "record:TypeError"},)), Firing(170)),
    ),
    Story(
        "TidegaugeExportFailing",
        "exports fail, then work again",
        (Series(EXPORTS, "0x70 1+1x10 11x100", {"cause": "otlp", **POD}),),
        (Firing(69), Firing(75, ({"cause": "otlp"},)), Firing(150)),
    ),
)

# What a person reads at the first firing of each alert's first story: summary, description, steps.
TEXTS = {
    "ModelTelemetryMissing": (
        "Model fraud sends no telemetry any more",
        (
            "Model fraud answered requests in the last hour and no process of it has been seen "
            "for 15 minutes: it is down, or nobody watches it. If it was retired, this ends "
            "within the hour."
        ),
        "Look whether its service runs, is scraped, and has loaded the model.",
    ),
    "TelemetryTargetDown": (
        "serve at 10.0.0.1:9464 serves models and cannot be scraped",
        (
            "serve at 10.0.0.1:9464 has shown the metrics of a model and has not answered a "
            "scrape for 5 minutes. Until it does, no other alert sees the models that it "
            "serves."
        ),
        "Look whether the process runs, and ask its /metrics by hand.",
    ),
    "RowsDropped": (
        "Drift of fraud version 3 sees almost none of its rows",
        (
            "More than 99.9 % of the rows of fraud version 3 have been left out of drift for an "
            "hour. Counts and latency are exact all the same, but windows close late and say less."
        ),
        (
            "Raise TIDEGAUGE_CPU_BUDGET_PERCENT or TIDEGAUGE_BUFFER_BYTES, or leave out features "
            "by TIDEGAUGE_FEATURES_EXCLUDE."
        ),
    ),
    "TidegaugeFaults": (
        "Tidegauge itself met faults (drift.pane:KeyError)",
        (
            "The app is not affected, but its telemetry may have gaps. The cause `configuration` "
            "is a setting or a file that cannot be used."
        ),
        ("The log of the service has a line for this cause; `tidegauge doctor` checks the set-up."),
    ),
    "TidegaugeExportFailing": (
        "Telemetry does not reach its backend (otlp)",
        (
            "Exports failed in the last hour. The app is not affected, but what is shown there "
            "has gaps."
        ),
        "Look whether the backend answers and whether its credentials are still good.",
    ),
}

each_alert = pytest.mark.parametrize(
    "alert",
    [alert for alert in DEFAULT_ALERTS if alert.name in TEXTS],
    ids=lambda alert: alert.name,
)


@each_alert
def test_an_alert_does_what_its_stories_say(alert: AlertDefinition, tmp_path: Path) -> None:
    """An alert fires when it should, with the labels that it should, and never otherwise."""
    stories = [story for story in STORIES if story.alert == alert.name]
    assert any(firing.alerts for story in stories for firing in story.firing)
    assert any(not firing.alerts for story in stories for firing in story.firing)
    play(stories, GROUPS, tmp_path, labels={"severity": alert.severity.value})


@each_alert
def test_an_alert_reads_well(alert: AlertDefinition, tmp_path: Path) -> None:
    """Summary and description have every placeholder filled in."""
    summary, description, first_steps = TEXTS[alert.name]
    story = next(story for story in STORIES if story.alert == alert.name).until_it_fires()
    play(
        [story],
        GROUPS,
        tmp_path,
        labels={"severity": alert.severity.value},
        texts={"summary": summary, "description": description, "first_steps": first_steps},
    )
