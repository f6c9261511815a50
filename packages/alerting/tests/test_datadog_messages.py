"""The texts of alerts as Datadog's templates: what somebody wrote opens none and tells nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_alerting.datadog.messages import message
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.measures import Last
from tidegauge_exporter_datadog.naming import attribute_tags
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics

KEYS = (a.MODEL_NAME, a.REFERENCE, a.FEATURE, a.WINDOW)


def said(summary: str, *, composite: bool = False) -> str:
    """Return the summary of an alert as its message has it."""
    definition = AlertDefinition(
        name="Moved",
        metric=metrics.DRIFT_PSI_VALUE,
        measure=Last(),
        comparison=Comparison.ABOVE,
        threshold=0.2,
        severity=Severity.WARNING,
        summary=summary,
        description="Look upstream.",
        see=(metrics.DRIFT_KS_STATISTIC, metrics.DRIFT_PSI_VALUE),
    )
    text = message(definition, KEYS, (), composite=composite)
    return text.removeprefix("{{#is_alert}}\n").partition("\n\nLook upstream.")[0]


@pytest.mark.parametrize(
    ("summary", "composite", "shown"),
    [
        ("{model}: {feature}", False, "{{model_name.name}}: {{feature.name}}"),
        ("{model_version}", False, "any model_version"),
        ("{see}", False, "drift.ks.statistic and drift.psi.value"),
        ("{value:number} > {threshold:number}", False, "{{value}} > 0.2"),
        ("{value:percent}", False, '{{eval "value*100"}} %'),
        ("{value:percent}", True, "{{a.value}} (of 1)"),
        ("{value:duration}", True, "{{a.value}} s"),
    ],
)
def test_placeholders(summary: str, composite: bool, shown: str) -> None:
    """A tag that the monitor is not grouped by has no value; of a composite the first part has."""
    assert shown == said(summary, composite=composite)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{{{value}}}} of {{{{#is_alert}}}}", "{ {value} } of { {#is_alert} }"),
        ("tell @all or @slack-ml now", "tell (at)all or (at)slack-ml now"),
        ("write to ml@example.com", "write to ml@example.com"),
        ("{{{model_name}}}", "{ {{model_name.name}} }"),
    ],
)
def test_texts_are_no_templates_and_notify_nobody(text: str, shown: str) -> None:
    """What somebody wrote is shown as it is, braces and at-signs too."""
    assert shown == said(text)


@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=40), min_size=1))
def test_no_tag_of_ours_is_a_template_or_a_handle(attributes: dict[str, str]) -> None:
    """So a model's name can be put into a message as it is."""
    assert not any(sign in each for each in attribute_tags(attributes) for sign in "@{}")


def test_a_key_with_dots_is_in_brackets() -> None:
    """As Datadog's reference of variables has it."""
    gpu = AlertDefinition(
        name="GpuFull",
        metric=metrics.HW_GPU_MEMORY_UTILIZATION,
        measure=Last(),
        comparison=Comparison.ABOVE,
        threshold=0.9,
        severity=Severity.WARNING,
        summary="{hw.id} is full",
        description="Look.",
    )
    assert "{{[hw.id].name}} is full" in message(gpu, (a.HW_ID,), ())
