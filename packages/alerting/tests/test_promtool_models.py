"""The alerts on a model's service and drift, in Prometheus's own rule engine."""

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
LATENCY = prometheus_name(metrics.MODEL_REQUEST_LATENCY)
PSI = prometheus_name(metrics.DRIFT_PSI_VALUE)
ROWS = prometheus_name(metrics.DRIFT_EFFECTIVE_ROWS)
DETECTED = prometheus_name(metrics.DRIFT_DETECTED)
MUTED = prometheus_name(metrics.DRIFT_MUTED)

MODEL = {"model_name": "fraud", "model_version": "3"}
FEATURE = {**MODEL, "reference": "0a1b2c3d", "feature": "age", "window": "1000rows"}
FAMILY = {**MODEL, "reference": "0a1b2c3d", "window": "1000rows"}
POD = {"job": "serve", "instance": "10.0.0.1:9464"}
OTHER_POD = {"job": "serve", "instance": "10.0.0.2:9464"}
DETECTED_INPUTS = {**FAMILY, "family": "inputs", **POD}


def requests(values: str, status: str, labels: Labels = MODEL, pod: Labels = POD) -> Series:
    """Return a series of requests."""
    return Series(REQUESTS, values, {**labels, "operation": "predict", "status": status, **pod})


def latency(le: str, values: str, labels: Labels = MODEL, pod: Labels = POD) -> Series:
    """Return one bucket of the latency."""
    return Series(f"{LATENCY}_bucket", values, {**labels, "operation": "predict", "le": le, **pod})


STORIES = (
    Story(
        "HighErrorRate",
        "10 % of 60 requests a minute fail for 20 minutes, then none",
        (
            requests("0+6x20 120x30", "error"),
            requests("0+54x20 1140+60x30", "success"),
        ),
        # Two samples make the first rate; 5 minutes later it fires.
        (Firing(5), Firing(7, (MODEL,)), Firing(20, (MODEL,)), Firing(26)),
    ),
    Story(
        "HighErrorRate",
        "failures are added up over operations and processes; the other version is well",
        (
            requests("0+3x20", "error"),
            requests("0+3x20", "error", pod=OTHER_POD),
            requests("0+50x20", "success"),
            requests("0+50x20", "success", pod=OTHER_POD),
            requests("0x20", "error", {**MODEL, "model_version": "4"}),
            requests("0+50x20", "success", {**MODEL, "model_version": "4"}),
        ),
        (Firing(15, (MODEL,)),),
    ),
    Story(
        "HighErrorRate",
        "10 % fail, then 4.5 %: it stays; 3 %: it ends, and 4.5 % again do not begin it",
        (
            requests("0+100x20 2000+45x20 2900+30x20 3500+45x20", "error"),
            requests("0+900x20 18000+955x20 37100+970x20 56500+955x20", "success"),
        ),
        (Firing(20, (MODEL,)), Firing(35, (MODEL,)), Firing(55), Firing(80)),
    ),
    Story(
        "HighErrorRate",
        "4 % fail: below the threshold",
        (requests("0+4x30", "error"), requests("0+96x30", "success")),
        (Firing(15), Firing(30)),
    ),
    Story(
        "HighErrorRate",
        "1 of 2 requests fails every 2 minutes: half of them, and too few to wake anybody",
        (
            requests("0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10", "error"),
            requests("0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10", "success"),
        ),
        (Firing(10), Firing(20)),
    ),
    Story(
        "HighErrorRate",
        "1 request a minute and all fail: seen",
        (requests("0+1x30", "error"), requests("0x30", "success")),
        (Firing(20, (MODEL,)),),
    ),
    Story(
        "HighErrorRate",
        "one burst of failures is over before it can alert",
        (requests("0x10 50x20", "error"), requests("0+60x30", "success")),
        tuple(Firing(minute) for minute in (11, 13, 15, 16, 17, 25)),
    ),
    Story(
        "HighErrorRate",
        "no traffic: 0 of 0 is no alert",
        (requests("7x30", "error"), requests("100x30", "success")),
        (Firing(10), Firing(30)),
    ),
    Story("HighErrorRate", "no series at all", (Series("up", "1x30", POD),), (Firing(30),)),
    Story(
        "HighErrorRate",
        "a restart takes the counters back to 0 and is no failure",
        (requests("1000+0x10 0x20", "error"), requests("5000+60x10 0+60x20", "success")),
        (Firing(12), Firing(16), Firing(30)),
    ),
    Story(
        "HighLatency",
        "a tenth of 60 requests a minute takes 0.5 to 1 s for 20 minutes, then none",
        (
            latency("0.25", "0+54x20 1080+60x20"),
            latency("0.5", "0+54x20 1080+60x20"),
            latency("1.0", "0+60x40"),
            latency("+Inf", "0+60x40"),
        ),
        (Firing(5), Firing(7, (MODEL,)), Firing(20, (MODEL,)), Firing(26)),
    ),
    Story(
        "HighLatency",
        "added up over processes",
        (
            latency("0.5", "0+27x20"),
            latency("1.0", "0+30x20"),
            latency("+Inf", "0+30x20"),
            latency("0.5", "0+27x20", pod=OTHER_POD),
            latency("1.0", "0+30x20", pod=OTHER_POD),
            latency("+Inf", "0+30x20", pod=OTHER_POD),
        ),
        (Firing(15, (MODEL,)),),
    ),
    Story(
        "HighLatency",
        "1 % is slow: the 95th percentile is not",
        (
            latency("0.25", "0+99x30"),
            latency("0.5", "0+99x30"),
            latency("1.0", "0+100x30"),
            latency("+Inf", "0+100x30"),
        ),
        (Firing(15), Firing(30)),
    ),
    Story(
        "HighLatency",
        "a slow request every 2 minutes is all there is, and too few",
        (
            latency("0.5", "0x20"),
            latency("1.0", "0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10"),
            latency("+Inf", "0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10"),
        ),
        (Firing(10), Firing(20)),
    ),
    Story(
        "HighLatency",
        "beyond the last bucket",
        (latency("0.5", "0x30"), latency("10.0", "0x30"), latency("+Inf", "0+6x30")),
        (Firing(15, (MODEL,)),),
    ),
    Story(
        "HighLatency",
        "no traffic",
        (latency("0.5", "10x30"), latency("+Inf", "20x30")),
        (Firing(10), Firing(30)),
    ),
    Story(
        "DataDriftDetected",
        "0.3 on 1000 rows for 10 minutes, then 0.05",
        (
            Series(PSI, "0.3x10 0.05x10", {**FEATURE, **POD}),
            Series(ROWS, "1000x20", {**FEATURE, **POD}),
        ),
        (
            Firing(0),
            Firing(1, ({**FEATURE, **POD},)),
            Firing(10, ({**FEATURE, **POD},)),
            Firing(11),
        ),
    ),
    Story(
        "DataDriftDetected",
        "0.3, then 0.18 with few rows: it stays; 0.1: it ends, and 0.18 again does not begin it",
        (
            Series(PSI, "0.3x5 0.18x5 0.1x5 0.18x5", {**FEATURE, **POD}),
            Series(ROWS, "1000x5 200x20", {**FEATURE, **POD}),
        ),
        (
            Firing(5, ({**FEATURE, **POD},)),
            Firing(10, ({**FEATURE, **POD},)),
            Firing(13),
            Firing(20),
        ),
    ),
    Story(
        "DataDriftDetected",
        "muted on one replica is muted on all, for this feature and window alone",
        (
            Series(PSI, "0.3x20", {**FEATURE, **POD}),
            Series(ROWS, "1000x20", {**FEATURE, **POD}),
            Series(PSI, "0.3x20", {**FEATURE, "feature": "sex", **POD}),
            Series(ROWS, "1000x20", {**FEATURE, "feature": "sex", **POD}),
            Series(MUTED, "_x5 1x5 stale", {**FEATURE, "family": "inputs", **OTHER_POD}),
        ),
        (
            Firing(4, ({**FEATURE, **POD}, {**FEATURE, "feature": "sex", **POD})),
            Firing(8, ({**FEATURE, "feature": "sex", **POD},)),
            Firing(20, ({**FEATURE, **POD}, {**FEATURE, "feature": "sex", **POD})),
        ),
    ),
    Story(
        "DataDriftDetected",
        "exactly the threshold is below it",
        (
            Series(PSI, "0.2x10", {**FEATURE, **POD}),
            Series(ROWS, "1000x10", {**FEATURE, **POD}),
        ),
        (Firing(10),),
    ),
    Story(
        "DataDriftDetected",
        "299 rows are not enough, 300 are; another feature's rows do not count",
        (
            Series(PSI, "0.9x10", {**FEATURE, **POD}),
            Series(ROWS, "299x10", {**FEATURE, **POD}),
            Series(PSI, "0.9x10", {**FEATURE, "feature": "sex", **POD}),
            Series(ROWS, "300x10", {**FEATURE, "feature": "sex", **POD}),
            Series(PSI, "0.9x10", {**FEATURE, "window": "1d", **POD}),
        ),
        (Firing(5, ({**FEATURE, "feature": "sex", **POD},)),),
    ),
    Story(
        "DataDriftDetected",
        "two replicas alert each for itself",
        tuple(
            Series(name, values, {**FEATURE, **pod})
            for pod in (POD, OTHER_POD)
            for name, values in ((PSI, "0.3x10"), (ROWS, "1000x10"))
        ),
        (Firing(5, ({**FEATURE, **POD}, {**FEATURE, **OTHER_POD})),),
    ),
    Story(
        "DataDriftDetected",
        "the service is gone: so is the alert",
        (
            Series(PSI, "0.3x5 stale", {**FEATURE, **POD}),
            Series(ROWS, "1000x5 stale", {**FEATURE, **POD}),
        ),
        (Firing(5, ({**FEATURE, **POD},)), Firing(7)),
    ),
    *(
        Story(
            "ModelDrift",
            f"{family} as a whole, at once, until they are back",
            (Series(DETECTED, "0 0 1x5 0x5", {**FAMILY, "family": family, **POD}),),
            (
                Firing(1),
                Firing(2, ({**FAMILY, "family": family, **POD},)),
                Firing(8),
            ),
        )
        for family in ("outputs", "data_quality")
    ),
    Story(
        "ModelDrift",
        "its outputs are muted, its data quality is not",
        (
            Series(DETECTED, "1x9", {**FAMILY, "family": "outputs", **POD}),
            Series(DETECTED, "1x9", {**FAMILY, "family": "data_quality", **POD}),
            Series(MUTED, "_x3 1x3 stale", {**FAMILY, "family": "outputs", **POD}),
        ),
        (
            Firing(
                2,
                (
                    {**FAMILY, "family": "outputs", **POD},
                    {**FAMILY, "family": "data_quality", **POD},
                ),
            ),
            Firing(5, ({**FAMILY, "family": "data_quality", **POD},)),
        ),
    ),
    Story(
        "ModelDrift",
        "one feature or the inputs are not the model",
        (
            Series(DETECTED, "1x5", {**FEATURE, "family": "data_quality", **POD}),
            Series(DETECTED, "1x5", DETECTED_INPUTS),
        ),
        (Firing(5),),
    ),
    Story(
        "InputDrift",
        "the inputs as a whole, at once, until they are back",
        (Series(DETECTED, "0 0 1x5 0x5", DETECTED_INPUTS),),
        (Firing(1), Firing(2, (DETECTED_INPUTS,)), Firing(8)),
    ),
    Story(
        "InputDrift",
        "one feature or the outputs are not the inputs; nothing is no drift",
        (
            Series(DETECTED, "1x5", {**FEATURE, "family": "inputs", **POD}),
            Series(DETECTED, "1x5", {**FAMILY, "family": "outputs", **POD}),
        ),
        (Firing(5),),
    ),
)

# What a person reads at the first firing of each alert's first story: summary, description, steps.
TEXTS = {
    "HighErrorRate": (
        "10% of the predictions of fraud version 3 fail",
        (
            "More than 5 % of the calls of fraud version 3 have raised for 5 minutes, over all "
            "its processes."
        ),
        (
            "Look at model_errors_total by type for what they raise, then at the log of the "
            "service and at what was deployed when it began."
        ),
    ),
    "HighLatency": (
        "The slowest 5 % of the predictions of fraud version 3 take 750ms or more",
        (
            "The 95th percentile of the time inside fraud version 3 has been above 0.5 s for 5 "
            "minutes, over all its processes."
        ),
        (
            "Look at the latency by operation, the rows per request, and the processor and memory "
            "use of the hosts."
        ),
    ),
    "DataDriftDetected": (
        "age of fraud version 3 has moved away from the reference (PSI 0.3)",
        (
            "The last 1000rows window of age has a population stability index above 0.2 against "
            "reference 0a1b2c3d. A window that closes without the shift ends this."
        ),
        (
            "Look for a change upstream first: a unit, a default, a new source. `tidegauge "
            "explain 'fraud'` on its host shows which values moved."
        ),
    ),
    "ModelDrift": (
        "Drift in the outputs of fraud version 3",
        (
            "Two 1000rows windows in a row of fraud version 3 differ from reference 0a1b2c3d in "
            "their outputs, by more than chance explains. Do not trust its answers without a look."
        ),
        (
            "`tidegauge explain 'fraud'` on its host says what changed. Compare drift_psi_value "
            "and drift_ks_statistic of its features at the same time, and what was deployed last. "
            "What is expected can be muted: `tidegauge mute`."
        ),
    ),
    "InputDrift": (
        "The inputs of fraud version 3 differ from the reference",
        (
            "At least one feature of fraud version 3 differs from reference 0a1b2c3d in two "
            "1000rows windows in a row, by more than chance explains."
        ),
        (
            "drift_detected is 1 for each such feature, and `tidegauge explain 'fraud'` on its "
            "host says what changed; look upstream of it."
        ),
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


def test_a_model_without_version_reads_well(tmp_path: Path) -> None:
    """An empty version leaves no hole in the text."""
    labels = {"model_name": "fraud"}
    story = Story(
        "HighErrorRate",
        "no version",
        (requests("0+6x20", "error", labels), requests("0+6x20", "success", labels)),
        (Firing(15, (labels,)),),
    )
    summary, description, first_steps = TEXTS["HighErrorRate"]
    texts = {
        "summary": summary.replace("10%", "50%").replace(" version 3", ""),
        "description": description.replace(" version 3", ""),
        "first_steps": first_steps,
    }
    play([story], GROUPS, tmp_path, labels={"severity": "critical"}, texts=texts)
