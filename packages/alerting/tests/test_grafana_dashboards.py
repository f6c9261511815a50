from __future__ import annotations

import dataclasses
import json
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model
from tidegauge_alerting import AlertDefinition, Comparison
from tidegauge_alerting.alert_file import load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.grafana import looks
from tidegauge_alerting.grafana.dashboards import render_dashboard
from tidegauge_alerting.grafana.grid import Box, place, uid
from tidegauge_alerting.panels import Dashboard, Kind, Panel, Width
from tidegauge_semconv import all_metrics

DEFAULT_ALERTS, FLEET_ALERTS = load().alerts, load().off
DASHBOARDS = load_dashboards()
ALERTS = {alert.name: alert for alert in (*DEFAULT_ALERTS, *FLEET_ALERTS)}
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.name)


def rendered(dashboard: Dashboard) -> dict[str, Any]:
    """Return what Grafana reads."""
    found: dict[str, Any] = json.loads(render_dashboard(dashboard, ALERTS))
    return found


@each_dashboard
def test_the_same_panels_give_the_same_bytes(dashboard: Dashboard) -> None:
    """What is kept in a repository changes when the panels do, and only then."""
    assert render_dashboard(dashboard, ALERTS) == render_dashboard(dashboard, ALERTS)


def test_every_dashboard_has_an_identity_of_its_own() -> None:
    """Grafana overwrites a dashboard by its uid, and takes at most 40 characters."""
    found = [uid(dashboard.name) for dashboard in DASHBOARDS]
    assert len(set(found)) == len(found)
    assert max(map(len, found)) <= 40


@each_dashboard
def test_panels_do_not_overlap(dashboard: Dashboard) -> None:
    """Each stands on the 24 columns, in a place of its own; ids are unique."""
    panels = rendered(dashboard)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    boxes = [Box(**panel["gridPos"]) for panel in panels]
    assert all(box.x >= 0 and box.x + box.w <= 24 and box.h > 0 for box in boxes)
    for one, other in combinations(boxes, 2):
        assert (
            one.x + one.w <= other.x
            or other.x + other.w <= one.x
            or one.y + one.h <= other.y
            or other.y + other.h <= one.y
        ), (one, other)


def test_a_panel_that_does_not_fit_begins_a_new_line() -> None:
    """Three halves are two lines, the second below the highest of the first."""
    stat, picture = (
        Panel("a panel", "a panel", kind, (), Width.HALF) for kind in (Kind.STAT, Kind.TIMESERIES)
    )
    row = dataclasses.replace(DASHBOARDS[0].rows[0], panels=(stat, picture, stat))
    one = dataclasses.replace(DASHBOARDS[0], rows=(row,))
    assert [box for _, box in place(one)] == [
        Box(0, 0, 24, 1), Box(0, 1, 12, 4), Box(12, 1, 12, 8), Box(0, 9, 12, 4),
    ]  # fmt: skip


@each_dashboard
def test_grafanas_own_model_reads_it(dashboard: Dashboard) -> None:
    """Reading and writing it again loses nothing but what it has no word for: texts of marks."""
    register_default_plugins()
    text = rendered(dashboard)
    again = json.loads(JSONEncoder().encode(Model.from_json(text)))
    for mark in text["annotations"]["list"]:
        del mark["titleFormat"], mark["step"]
    assert text == again


@each_dashboard
def test_links_lead_to_dashboards_of_ours(dashboard: Dashboard) -> None:
    """Each address has the uid of a dashboard that is rendered, and names its variables."""
    text = json.dumps(rendered(dashboard))
    pages = {uid(each.name): each for each in DASHBOARDS}
    parts = text.split('"url": "/d/')[1:]
    assert bool(parts) == any(panel.opens for panel in dashboard.panels)
    for part in parts:
        page, _, query = part.partition("?")
        variables = {variable.attribute for variable in pages[page].variables}
        assert variables & {piece.partition("=")[0] for piece in query.split("var-")}


@each_dashboard
def test_every_variable_is_filtered_by(dashboard: Dashboard) -> None:
    """A variable that no panel reads would be a switch without a wire."""
    text = json.dumps(rendered(dashboard)["panels"])
    for variable in dashboard.variables:
        assert f"${variable.attribute}" in text


def test_an_alert_that_is_off_draws_no_line() -> None:
    """Thresholds are those of the definitions that are given."""
    overview = DASHBOARDS[0]
    assert '"value": 0.05' in render_dashboard(overview, ALERTS)
    changed = {"HighErrorRate": ALERTS["HighErrorRate"].with_threshold(0.07)}
    text = render_dashboard(overview, changed)
    assert '"value": 0.07' in text
    assert '"value": 0.05' not in text
    assert '"value": 0.0' not in render_dashboard(overview, {})


@pytest.mark.parametrize(
    ("comparison", "threshold", "low", "steps"),
    [
        (Comparison.ABOVE, 0.5, None, [(None, "green"), (0.5, "red")]),
        (Comparison.ABOVE, 0, None, [(None, "green"), (0.001, "red")]),
        (Comparison.AT_LEAST, 5, None, [(None, "green"), (5, "red")]),
        (Comparison.EQUAL, 1, None, [(None, "green"), (1, "red")]),
        (Comparison.EQUAL, 0, None, [(None, "red"), (0.001, "green")]),
        (Comparison.BELOW, 0.9, None, [(None, "red"), (0.9, "green")]),
        (Comparison.AT_MOST, 0.9, None, [(None, "red"), (0.9, "green")]),
        (Comparison.OUTSIDE, 9, 1, [(None, "red"), (1, "green"), (9, "red")]),
    ],
)
def test_colours_are_the_alerts(
    comparison: Comparison, threshold: float, low: float | None, steps: list[tuple[Any, str]]
) -> None:
    """A value is red where the alert speaks, and green where it does not."""
    alert: AlertDefinition = dataclasses.replace(
        ALERTS["HighErrorRate"],
        comparison=comparison,
        threshold=threshold,
        low=low,
        guard=None,
        recovery=None,
    )
    built = looks.thresholds([alert]).build()
    assert steps == [(step.value, step.color) for step in built.steps]


def test_every_metric_has_a_unit_for_grafana() -> None:
    """A unit that Grafana has no name for is written behind the number."""
    assert [spec.name for spec in all_metrics() if not looks.unit(spec.unit)] == []
    assert looks.unit("{row}/s") == "rowsps"
    assert looks.unit("{error}/s") == "suffix: errors/s"
    assert looks.unit("{model}") == "short"
    assert looks.unit("Ohm") == "suffix: Ohm"


def test_no_alert_of_a_panel_is_misspelt() -> None:
    """A line at the threshold of an alert that nobody defines would never be there."""
    told = {
        name
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for name in (*panel.alerts, *(each for query in panel.queries for each in query.alerts))
    }
    assert told - set(ALERTS) == set()
