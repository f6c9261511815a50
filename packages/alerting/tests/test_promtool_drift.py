"""The alerts on references, on many models and on checks of data quality, in the rule engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting import AlertDefinition, rule_groups
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics
from tidegauge_testkit.backends.stories import Firing, Series, Story, play

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_semconv import MetricSpec

pytestmark = pytest.mark.backends

DEFAULT_ALERTS = load(sources=own_sources()).alerts
GROUPS = rule_groups(DEFAULT_ALERTS)

DETECTED = prometheus_name(metrics.DRIFT_DETECTED)
MUTED = prometheus_name(metrics.DRIFT_MUTED)
FEATURES = prometheus_name(metrics.DRIFT_FEATURES)
AGE = prometheus_name(metrics.DRIFT_REFERENCE_AGE)
STREAM = prometheus_name(metrics.DRIFT_STREAM_DETECTED)

MODEL = {"model_name": "fraud", "model_version": "3"}
REFERENCE = {**MODEL, "reference": "0a1b2c3d"}
WINDOW = {**REFERENCE, "window": "1000rows"}
FEATURE = {**WINDOW, "feature": "age"}
POD = {"job": "serve", "instance": "10.0.0.1:9464"}

MISMATCH = {**WINDOW, "state": "reference_mismatch", **POD}
DETECTOR = {**REFERENCE, "feature": "age", "detector": "adwin", **POD}
QUALITY = {**FEATURE, "family": "data_quality", **POD}
# What mutes the words about a reference; Prometheus has no label with an empty value.
WHOLE = {**REFERENCE, "family": a.OF_REFERENCE, **POD}
CHECKS: dict[str, tuple[MetricSpec, str, str]] = {
    "MissingValues": (metrics.DATA_QUALITY_MISSING_RATIO, "missing", "are missing"),
    "OutOfRangeValues": (
        metrics.DATA_QUALITY_OUT_OF_RANGE_RATIO,
        "out of range",
        "lie outside of what the reference has seen",
    ),
    "NewCategories": (
        metrics.DATA_QUALITY_NEW_CATEGORY_RATIO,
        "new categories",
        "are categories that the reference does not know",
    ),
    "TypeErrors": (
        metrics.DATA_QUALITY_TYPE_ERROR_RATIO,
        "of another type",
        "are no values of its type",
    ),
}


def models(drifted: int, well: int, values: str = "0x4 {}x20 0x20") -> tuple[Series, ...]:
    """Return the verdicts on the inputs of so many models, of two versions each."""
    return tuple(
        Series(
            DETECTED,
            values.format(int(number < drifted and version == "2")),
            {
                **WINDOW,
                "model_name": f"m{number}",
                "model_version": version,
                "family": "inputs",
                **POD,
            },
        )
        for number in range(drifted + well)
        for version in ("1", "2")
    )


STORIES = (
    Story(
        "ManyModelsDrift",
        "6 of 20 models drift for 20 minutes",
        models(6, 14),
        (Firing(9), Firing(15, ({},)), Firing(24, ({},)), Firing(26)),
    ),
    Story(
        "ManyModelsDrift",
        "4 of 20, or 4 of 5: one by one",
        models(4, 16),
        (Firing(15), Firing(24)),
    ),
    Story("ManyModelsDrift", "4 of 5 are too few", models(4, 1), (Firing(15), Firing(24))),
    Story(
        "ManyModelsDrift",
        "6 of 20, of which 2 are muted: a fifth of the others at most",
        (
            *models(6, 14),
            *(
                Series(
                    MUTED,
                    "1x50",
                    {
                        **WINDOW,
                        "model_name": name,
                        "model_version": version,
                        "family": "inputs",
                        **POD,
                    },
                )
                for name in ("m0", "m1")
                for version in ("1", "2")
            ),
        ),
        (Firing(15), Firing(24)),
    ),
    *(
        story
        for name, family in (("SegmentDrift", "segments"), ("CorrelationDrift", "correlation"))
        for story in (
            Story(
                name,
                "for three windows",
                (Series(DETECTED, "0x2 1x5 0x5", {**WINDOW, "family": family, **POD}),),
                (Firing(2), Firing(5, ({**WINDOW, "family": family, **POD},)), Firing(9)),
            ),
            Story(
                name,
                "the inputs are another family",
                (Series(DETECTED, "1x5", {**WINDOW, "family": "inputs", **POD}),),
                (Firing(4),),
            ),
        )
    ),
    Story(
        "ReferenceMismatch",
        "all features differ from the first window on, until the reference is replaced",
        (Series(FEATURES, "0x2 40x5 stale", MISMATCH),),
        (Firing(1), Firing(4, (MISMATCH,)), Firing(9)),
    ),
    Story(
        "ReferenceMismatch",
        "features that drifted are of this model",
        (Series(FEATURES, "40x9", {**MISMATCH, "state": "drifted"}),),
        (Firing(5),),
    ),
    Story(
        "ReferenceMismatch",
        "muted with the model, and for another kind of window; a family alone mutes nothing",
        (
            Series(FEATURES, "40x20", MISMATCH),
            Series(MUTED, "_x2 1x2 stale", {**WHOLE, "window": "1d"}),
            Series(MUTED, "_x5 1x2 stale", {**WINDOW, "family": "inputs", **POD}),
            Series(MUTED, "_x8 1x3 stale", {**WHOLE, "window": "1000rows"}),
        ),
        (
            Firing(3, (MISMATCH,)),
            Firing(6, (MISMATCH,)),
            Firing(9),
            Firing(13, (MISMATCH,)),
        ),
    ),
    Story(
        "ReferenceOld",
        "it passes 180 days, and is built again",
        (
            Series(AGE, "15551880+60x5 stale", {**REFERENCE, **POD}),
            Series(AGE, "_x6 60+60x5", {**REFERENCE, "reference": "11112222", **POD}),
        ),
        (Firing(2), Firing(4, ({**REFERENCE, **POD},)), Firing(8)),
    ),
    Story(
        "ReferenceOld",
        "muted with the model, not by one kind of window or a feature",
        (
            Series(AGE, "15552060+60x20", {**REFERENCE, **POD}),
            Series(MUTED, "_x2 1x2 stale", {**WHOLE, "window": "1000rows"}),
            Series(MUTED, "_x5 1x2 stale", {**FEATURE, "family": "inputs", **POD}),
            Series(MUTED, "_x8 1x3 stale", WHOLE),
        ),
        (
            Firing(3, ({**REFERENCE, **POD},)),
            Firing(6, ({**REFERENCE, **POD},)),
            Firing(9),
            Firing(13, ({**REFERENCE, **POD},)),
        ),
    ),
    Story(
        "StreamDrift",
        "a detector alarms, and a day later it does not any more",
        (Series(STREAM, "0x2 1x5 0x5", DETECTOR),),
        (Firing(2), Firing(5, (DETECTOR,)), Firing(9)),
    ),
    Story(
        "StreamDrift",
        "a detector that is not for alerting",
        (Series(STREAM, "1x9", {**DETECTOR, "detector": "kswin"}),),
        (Firing(5),),
    ),
    *(
        story
        for name, (spec, _, _) in CHECKS.items()
        for story in (
            Story(
                name,
                "a tenth of the values, and the verdict says so",
                (
                    Series(prometheus_name(spec), "0x2 0.1x5 0x5", {**FEATURE, **POD}),
                    Series(DETECTED, "0x2 1x5 0x5", QUALITY),
                ),
                (Firing(2), Firing(5, ({**FEATURE, **POD},)), Firing(9)),
            ),
            Story(
                name,
                "as many as in the reference, while the values themselves drift",
                (
                    Series(prometheus_name(spec), "0.4x9", {**FEATURE, **POD}),
                    Series(DETECTED, "0x9", QUALITY),
                    Series(DETECTED, "1x9", {**QUALITY, "family": "inputs"}),
                ),
                (Firing(5),),
            ),
            Story(
                name,
                "muted",
                (
                    Series(prometheus_name(spec), "0.1x9", {**FEATURE, **POD}),
                    Series(DETECTED, "1x9", QUALITY),
                    Series(MUTED, "_x3 1x9", QUALITY),
                ),
                (Firing(2, ({**FEATURE, **POD},)), Firing(5)),
            ),
        )
    ),
)

QUALITY_STEPS = (
    "`tidegauge explain 'fraud'` on its host compares the share with the reference's. Then look at "
    "the source of age: a join, a default, a renamed column."
)
# What a person reads at the first firing of each alert's first story: summary, description, steps.
TEXTS = {
    "SegmentDrift": (
        "A segment of fraud version 3 differs from the reference",
        (
            "At least one feature or output of fraud version 3 differs from reference 0a1b2c3d "
            "among the rows of one segment, in two 1000rows windows in a row, by more than chance "
            "explains."
        ),
        (
            "`tidegauge explain 'fraud'` on its host says which segment and which feature; look "
            "for what is special about that customer, country or device."
        ),
    ),
    "CorrelationDrift": (
        "The inputs of fraud version 3 do not go together as they did",
        (
            "At least two features of fraud version 3 correlate otherwise than in reference "
            "0a1b2c3d, in two 1000rows windows in a row, by more than chance explains, while each "
            "of them looks as ever."
        ),
        (
            "`tidegauge explain 'fraud'` on its host names the pairs. Look for a join that went "
            "wrong, a unit that was changed for a part of the rows, a sensor that repeats another."
        ),
    ),
    "ManyModelsDrift": (
        "30% of the models drift together",
        (
            "More than 20 % of the models that have a verdict, and at least 5 of them, have inputs "
            "or data quality unlike their references. One cause upstream is likelier than as many "
            "causes as models."
        ),
        (
            "Look at what the models share: a feature store, a source, a unit, a deploy of the "
            "pipeline. drift_detected by model and the time at which each began say where it came "
            "from."
        ),
    ),
    "ReferenceMismatch": (
        "The reference of fraud version 3 does not fit this model",
        (
            "Half of the features of fraud version 3 or more differ from reference 0a1b2c3d since "
            "it began: it was built from another model's rows, or before a change of the pipeline, "
            "or what feeds the model is wrong. Its inputs are not judged."
        ),
        (
            "`tidegauge reference show` says what the reference was built from. If those are the "
            "rows that this version was fitted on, look at what feeds the model; if not, build it "
            "from them: `tidegauge reference build`."
        ),
    ),
    "ReferenceOld": (
        "The reference of fraud version 3 is 180d 0h 2m 0s old",
        (
            "Reference 0a1b2c3d of fraud version 3 was built more than 180 days ago. What drift "
            "says is true, but it compares with a world of long ago."
        ),
        (
            "Build it again from newer rows when the model is fitted again, or raise the threshold "
            "if the world that it describes does not change."
        ),
    ),
    "StreamDrift": (
        "age of fraud version 3 has changed within the day (adwin)",
        (
            "The detector adwin saw the mean of age of fraud version 3 change within the last day. "
            "It is quicker than a window, and says less."
        ),
        "Wait for the next window's verdict, or look at the rows of age now.",
    ),
    **{
        name: (
            f"10% of age of fraud version 3 are {short}",
            (
                "The data quality of age of fraud version 3 differs from reference 0a1b2c3d, and "
                f"10% of its values in the last 1000rows window {long}."
            ),
            QUALITY_STEPS,
        )
        for name, (_, short, long) in CHECKS.items()
    },
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
    play(stories, GROUPS, tmp_path, labels={"severity": alert.severity.value})


@each_alert
def test_an_alert_reads_well(alert: AlertDefinition, tmp_path: Path) -> None:
    """Its texts have every placeholder filled in."""
    summary, description, first_steps = TEXTS[alert.name]
    story = next(story for story in STORIES if story.alert == alert.name).until_it_fires()
    play(
        [story],
        GROUPS,
        tmp_path,
        labels={"severity": alert.severity.value},
        texts={"summary": summary, "description": description, "first_steps": first_steps},
    )
