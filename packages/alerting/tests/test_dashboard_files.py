from __future__ import annotations

from importlib import resources

import pytest
import yaml
from tidegauge_alerting.dashboard_files import DashboardError, load_dashboards, read_dashboards
from tidegauge_alerting.panels import Aggregate, Kind
from tidegauge_semconv import Kind as Metric
from tidegauge_semconv import metrics

DASHBOARDS = load_dashboards()
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
# What can grow with the number of models, features and exceptions.
GROWS = {"model_name", "feature", "error_type", "cause", "instance", "bin", "output"}

ONE = """
version: 1
dashboard: mine
title: Mine
description: What it is for.
rows:
  - title: First
    panels:
      - title: Requests
        description: Calls a second.
        kind: timeseries
        queries:
          - {metric: model.requests, aggregate: rate, by: [model_name]}
"""


def test_ours_come_in_order() -> None:
    """All models first; whether they can be believed last."""
    assert [dashboard.name for dashboard in DASHBOARDS[:5]] == [
        "overview", "model", "drift", "resources", "health",
    ]  # fmt: skip


def test_a_picture_of_many_models_has_few_lines() -> None:
    """What grows with the number of models or features is cut to its highest."""
    unbounded = [
        (dashboard.name, panel.title)
        for dashboard, panel in PANELS
        for query in panel.queries
        if panel.kind is Kind.TIMESERIES and not query.top
        if GROWS & set(query.attributes)
    ]
    assert unbounded == []


def test_a_number_has_one_value() -> None:
    """A stat shows one query, which has one value."""
    stats = [panel for _, panel in PANELS if panel.kind is Kind.STAT]
    assert len(stats) > 10
    assert {tuple(query.attributes for query in panel.queries) for panel in stats} == {((),)}


def test_a_table_has_one_row_for_each_place() -> None:
    """All its columns are told apart by the same attributes, and each has a name."""
    tables = [panel for _, panel in PANELS if panel.kind is Kind.TABLE]
    assert len(tables) > 1
    for table in tables:
        assert {query.attributes for query in table.queries} == {table.attributes}
        titles = [query.title for query in table.queries]
        assert all(titles)
        assert len(set(titles)) == len(titles)


def test_a_panel_opens_a_dashboard_that_takes_what_it_shows() -> None:
    """A click leads to a page that has a variable for at least one attribute of what is clicked."""
    taken = {each.name: {variable.attribute for variable in each.variables} for each in DASHBOARDS}
    nowhere = [
        (dashboard.name, panel.title)
        for dashboard, panel in PANELS
        if panel.opens and not taken[panel.opens] & set(panel.attributes)
    ]
    assert nowhere == []


def test_another_package_adds_rows() -> None:
    """A file without a title adds to the dashboard of that name, also before it is read."""
    more = """
version: 1
dashboard: mine
rows:
  - title: Second
    panels:
      - title: Errors
        description: Exceptions a second.
        kind: stat
        queries: [{metric: model.errors, aggregate: rate}]
"""
    (mine,) = read_dashboards([("more.yaml", more), ("one.yaml", ONE)])
    assert [row.title for row in mine.rows] == ["First", "Second"]
    (panel,) = mine.rows[1].panels
    assert panel.metrics == (metrics.MODEL_ERRORS,)
    assert panel.queries[0].shown_unit == "{error}/s"


def test_all_files_are_installed() -> None:
    """Each file beside the modules is one of the dashboards."""
    folder = resources.files("tidegauge_alerting") / "dashboards"
    names = {yaml.safe_load(path.read_text())["dashboard"] for path in folder.iterdir()}
    assert names == {dashboard.name for dashboard in DASHBOARDS[: len(names)]}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "model.requests", "model.request",
            "one.yaml, rows First, panels Requests, queries 1, metric: got 'model.request'; "
            "expected the name of a metric. Did you mean model.requests?",
        ),
        (
            "aggregate: rate", "aggregate: quantile, q: 0.9",
            "one.yaml, rows First, panels Requests, queries 1, aggregate: got 'quantile of the "
            "counter model.requests'; expected a histogram. Take another aggregate or metric.",
        ),
        (
            "aggregate: rate", "aggregate: share",
            "one.yaml, rows First, panels Requests, queries 1, part: got 'none'; expected one "
            "with share, and only there. Add it, take it away, or take another aggregate.",
        ),
        (
            "[model_name]", "[model_name], q: 0.9",
            "one.yaml, rows First, panels Requests, queries 1, q: got 0.9; expected one with "
            "quantile, and only there. Add it, take it away, or take another aggregate.",
        ),
        (
            "[model_name]", "[model_name], q: 95",
            "one.yaml, rows First, panels Requests, queries 1, q: got 95.0; expected a number "
            "above 0 and below 1. The slowest 5 % begin at 0.95.",
        ),
        (
            "[model_name]", "[model_name], zero_beside: model.errors",
            "one.yaml, rows First, panels Requests, queries 1, zero_beside: got 'model.errors'; "
            "expected one with a single number. Leave it out, or model_name.",
        ),
        (
            "[model_name]", "[model_name], where: {status: []}",
            "one.yaml, rows First, panels Requests, queries 1, where, status: got []; expected a "
            "text or some texts. The empty one is ''.",
        ),
        (
            "[model_name]", "[model]",
            "one.yaml, rows First, panels Requests, queries 1, by: got 'model'; expected "
            "attributes of model.requests: model_name, model_version, operation, status. Did you "
            "mean model_name?",
        ),
        (
            "[model_name]", "[model_name], legend: '{status}'",
            "one.yaml, rows First, panels Requests, queries 1, legend: got '{status}'; expected "
            "model_name in braces. Name it under by too.",
        ),
        (
            "[model_name]", "[model_name], top: 5000",
            "one.yaml, rows First, panels Requests, queries 1, top: got 5000.0; expected a whole "
            "number in [1, 50]. Nobody reads more lines.",
        ),
        (
            "[model_name]", "[model_name], window: 5 minutes",
            "one.yaml, rows First, panels Requests, queries 1, window: got '5 minutes'; expected "
            "a whole number and s, m, h or d. For example: 30s, 5m, 4h or 1d.",
        ),
        (
            "kind: timeseries", "kind: graph",
            "one.yaml, rows First, panels Requests, kind: got 'graph'; expected one of "
            "timeseries, stat, table. Correct the name.",
        ),
        (
            "kind: timeseries", "kind: timeseries\n        opens: The model",
            "one.yaml, rows First, panels Requests, opens: got 'The model'; expected a short name "
            "([a-z][a-z0-9_]{0,31}). Rename it.",
        ),
        (
            "description: Calls", "explanation: Calls",
            "one.yaml, rows First, panels Requests: got no description; expected a text. Add it, "
            "or correct its name: there is title, explanation, kind, queries.",
        ),
        (
            "kind: timeseries", "kind: timeseries\n        alert: [A]",
            "one.yaml, rows First, panels Requests: got the unknown key 'alert'; expected one of "
            "alerts, description, kind, opens, queries, title, width. Did you mean alerts?",
        ),
        (
            "kind: timeseries", "kind: timeseries\n        kind: stat",
            "one.yaml, line 12: got text that is no YAML (the key 'kind' stands twice); expected "
            "keys with values, 'version: 1' first. Correct that line: ",
        ),
        (
            "version: 1", "version: 2",
            "one.yaml, version: got 2; expected 1. Write 'version: 1'.",
        ),
        (
            "title: Mine\ndescription: What it is for.\n", "",
            "one.yaml, dashboard: got 'mine'; expected the name of another file's dashboard "
            "(there are none). Correct it, or give a title for a new one.",
        ),
        (
            "title: Mine", "title: [",
            "one.yaml, line 6: got text that is no YAML ",
        ),
        (
            "title: Mine", 'title: "a\\nb"',
            "one.yaml, title: got 'a\\nb'; expected a line of text. Put it on one line.",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(old: str, new: str, message: str) -> None:
    """The message says which file and panel, what is there, and what can be."""
    assert old in ONE
    with pytest.raises(DashboardError) as caught:
        read_dashboards([("one.yaml", ONE.replace(old, new))])
    assert str(caught.value).startswith(message)


def test_no_counter_is_shown_as_it_is() -> None:
    """Its value says when a process started."""
    wrong = [
        (dashboard.name, panel.title)
        for dashboard, panel in PANELS
        for query in panel.queries
        if query.aggregate in (Aggregate.SUM, Aggregate.AVG, Aggregate.MIN, Aggregate.MAX)
        if query.metric.kind not in (Metric.GAUGE, Metric.UPDOWN)
    ]
    assert wrong == []
