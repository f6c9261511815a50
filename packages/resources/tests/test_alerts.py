"""The alerts on resources, in Prometheus's own rule engine; the panels beside them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from tidegauge_alerting import rule_groups
from tidegauge_alerting.alert_file import Source, load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends.stories import Firing, Series, Story, play

TEXT = (files("tidegauge_resources") / "alerts.yaml").read_text("utf-8")
FILE = load(sources=[Source("alerts.yaml", TEXT)])
POD = {"job": "serve", "instance": "10.0.0.1:9464"}
MEMORY = prometheus_name(metrics.CONTAINER_MEMORY_UTILIZATION)
PROCESSOR = prometheus_name(metrics.CONTAINER_CPU_UTILIZATION)
COST = prometheus_name(metrics.MODEL_COST_PER_1K)
GPU = prometheus_name(metrics.HW_GPU_MEMORY_UTILIZATION)
NAMED = {"hw_id": "GPU-1", "hw_name": "Large GPU", "hw_parent": ""}

STORIES = (
    Story(
        "ContainerMemoryNearLimit",
        "memory rises, wavers about the threshold and is given back; a peak is no alert",
        (Series(MEMORY, "0.5x20 0.95x5 0.5x20 0.95x20 0.87x20 0.5x20", POD),),
        (Firing(24), Firing(45), Firing(60, (POD,)), Firing(80, (POD,)), Firing(95)),
    ),
    Story(
        "ContainerProcessorAtQuota",
        "a quarter of an hour at the quota",
        (Series(PROCESSOR, "0.6x10 1x30 0.6x10", POD),),
        (Firing(15), Firing(35, (POD,)), Firing(48)),
    ),
    Story(
        "GpuMemoryNearLimit",
        "one GPU of two is full",
        (
            Series(GPU, "0.99x30", {**NAMED, **POD}),
            Series(GPU, "0.5x30", {**NAMED, "hw_id": "GPU-2", **POD}),
        ),
        (Firing(5), Firing(20, ({"hw_id": "GPU-1", "hw_name": "Large GPU", **POD},))),
    ),
    Story(
        "ModelCostHigh",
        "a model is dear for more than an hour",
        (Series(COST, "2x90", {"model_name": "fraud", **POD}),),
        (Firing(50), Firing(80, ({"model_name": "fraud", **POD},))),
    ),
)


@pytest.mark.backends
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_an_alert_fires_when_it_should(story: Story, tmp_path: Path) -> None:
    """And not before, and it ends."""
    alerts = (*FILE.alerts, *FILE.off)
    (severity,) = (each.severity for each in alerts if each.name == story.alert)
    play([story], rule_groups(alerts), tmp_path, labels={"severity": severity.value})


def test_every_alert_has_a_story() -> None:
    """A new one is noticed here."""
    names = {each.name for each in (*FILE.alerts, *FILE.off)}
    assert {story.alert for story in STORIES} == names


def test_what_may_be_well_is_off() -> None:
    """A full GPU and a dear model are alerts for who asks for them."""
    assert ["GpuMemoryNearLimit", "ModelCostHigh"] == [each.name for each in FILE.off]


def test_the_panels_are_on_the_dashboard_of_resources() -> None:
    """Below what it has of its own."""
    (found,) = (each for each in load_dashboards() if each.name == "resources")
    titles = [row.title for row in found.rows]
    assert ["Processor and memory", "GPUs", "Energy, carbon and cost"] == titles[1:]
