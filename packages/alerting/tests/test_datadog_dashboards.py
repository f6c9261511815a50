"""Panels as Datadog dashboards: what Datadog's models take, and what it cannot show."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tidegauge_alerting import load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.datadog.dashboards import draw, render_dashboard
from tidegauge_alerting.datadog.panel_queries import Asked, asked
from tidegauge_alerting.datadog.query_language import NotExpressibleError
from tidegauge_alerting.measures import Where
from tidegauge_alerting.panels import Aggregate, Over, Query
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.datadog_monitors import check_dashboard

ALERTS = {alert.name: alert for alert in (*load().alerts, *load().off)}
DASHBOARDS = {each.name: each for each in load_dashboards()}


def widgets(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the definitions of a dashboard's widgets by title."""
    return {
        each["definition"]["title"]: each["definition"]
        for group in body["widgets"]
        for each in group["definition"]["widgets"]
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_datadogs_models_take_every_dashboard(name: str) -> None:
    """Each panel is there, but for those that are left out by name."""
    body, left_out = render_dashboard(DASHBOARDS[name], ALERTS)
    check_dashboard(body)
    shown = widgets(body)
    missing = {place.partition(": ")[2] for place, _ in left_out}
    for panel in DASHBOARDS[name].panels:
        assert (panel.title in shown) is (panel.title not in missing)
    assert body["description"].endswith(f"(managed-by:tidegauge/{name})")


def test_what_is_left_out_is_said() -> None:
    """By panel, with the reason; all that needs a scrape, a join or a new series."""
    drawn = draw(tuple(DASHBOARDS.values()), ALERTS)
    reasons = {reason for _, reason in drawn.left_out}
    assert {
        "an index over all replicas needs logarithms and joins",
        "nothing is read from applications that could be away",
        "no query says that a series is new",
    } == reasons
    assert {f"tidegauge-{name}.json" for name in DASHBOARDS} == set(drawn.files)


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ((), "layout_type", "heap"),
        ((), "author", "me"),
        (("widgets", 0, "definition"), "colour", "red"),
        (("widgets", 0, "definition", "widgets", 0, "definition"), "type", "picture"),
        (("widgets", 0, "definition", "widgets", 0, "layout"), "x", "left"),
        (("widgets", 0, "definition", "widgets", 0, "definition", "requests", 0), "queries", []),
    ],
)
def test_what_datadog_would_refuse_is_seen(
    where: tuple[str | int, ...], key: str, value: object
) -> None:
    """The check of these tests fails on a body that is wrong in one thing, at any depth."""
    body, _ = render_dashboard(DASHBOARDS["overview"], ALERTS)
    broken = copy.deepcopy(body)
    inner: Any = broken
    for step in where:
        inner = inner[step]
    inner[key] = value
    with pytest.raises((ValueError, KeyError)):
        check_dashboard(broken)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            Query(metrics.MODEL_REQUESTS, Aggregate.RATE, (a.MODEL_NAME,)),
            Asked(("sum:model.requests{$model_name} by {model_name}.as_rate()",), "{0}", "avg"),
        ),
        (
            Query(metrics.MODEL_REQUEST_LATENCY, Aggregate.RATE),
            Asked(("count:model.request.latency{$model_name}.as_rate()",), "{0}", "avg"),
        ),
        (
            Query(metrics.TIDEGAUGE_ERRORS, Aggregate.INCREASE, window_s=3600),
            Asked(("sum:tidegauge.errors{*}.as_count().rollup(sum, 3600)",), "{0}", "sum"),
        ),
        (
            Query(
                metrics.MODEL_REQUESTS, Aggregate.SHARE, part=(Where(a.STATUS, ("error",)),),
                zero_beside=metrics.MODEL_REQUESTS,
            ),
            Asked(
                (
                    "sum:model.requests{$model_name,status:error}.as_count()",
                    "sum:model.requests{$model_name}.as_count()",
                ),
                "default_zero(default_zero({0}) / {1})", "sum",
            ),
        ),
        (
            Query(metrics.MODEL_REQUEST_LATENCY, Aggregate.QUANTILE, q=0.95),
            Asked(("p95:model.request.latency{$model_name}",), "{0}", "percentile"),
        ),
        (
            Query(
                metrics.DRIFT_DETECTED, Aggregate.MAX, (a.MODEL_NAME,),
                where=(Where(a.FAMILY, ("inputs", "outputs")), Where(a.MODEL_NAME, ("fraud",))),
                unless=(Where(a.FEATURE, ("", "age")),),
            ),
            Asked(
                (
                    "max:drift.detected{family IN (inputs,outputs) AND model_name:fraud AND NOT "
                    "feature:age AND feature:*} by {model_name}",
                ),
                "{0}", "last",
            ),
        ),
        (
            Query(metrics.DRIFT_DETECTED, Aggregate.MAX, (a.MODEL_NAME,), over=Over("sum")),
            Asked(
                ("max:drift.detected{$model_name} by {model_name}",), "count_nonzero({0})", "last"
            ),
        ),
        (
            Query(
                metrics.MODEL_REQUESTS, Aggregate.SUM, (a.MODEL_NAME, a.STATUS),
                over=Over("sum", (a.STATUS,)),
            ),
            Asked(("sum:model.requests{$model_name} by {status}",), "{0}", "last"),
        ),
    ],
)  # fmt: skip
def test_queries(query: Query, expected: Asked) -> None:
    """Each aggregate has one form; what a variable filters is left to it."""
    assert expected == asked(query, [a.MODEL_NAME], one=False)


def test_a_second_aggregation_is_refused() -> None:
    """There is one, and another number would be another thing."""
    query = Query(metrics.DRIFT_PSI_VALUE, Aggregate.MAX, (a.MODEL_NAME,), over=Over("avg"))
    with pytest.raises(NotExpressibleError, match="the avg of values that were put together"):
        asked(query, [], one=True)
    median: Any = "median"
    strange = Query(metrics.DRIFT_PSI_VALUE, median)
    with pytest.raises(TypeError, match="got 'median'; expected one that"):
        asked(strange, [], one=True)


def test_thresholds_times_and_units() -> None:
    """Alerts are lines and colours; a number of a window has the window's time."""
    shown = widgets(render_dashboard(DASHBOARDS["overview"], ALERTS)[0])
    failed = shown["Failed requests"]
    assert {"live_span": "5m"} == failed["time"]
    (request,) = failed["requests"]
    assert [{"comparator": ">", "value": 0.05, "palette": "white_on_red"}] == (
        request["conditional_formats"]
    )
    assert ["sum", "sum"] == [each["aggregator"] for each in request["queries"]]
    (formula,) = request["formulas"]
    assert {
        "formula": "default_zero(query1) / query2",
        "number_format": {"unit": {"type": "canonical_unit", "unit_name": "fraction"}},
    } == formula
    moved = widgets(render_dashboard(DASHBOARDS["model"], ALERTS)[0])["Features that moved most"]
    assert [
        {"label": "DataDriftDetected", "value": "y = 0.2", "display_type": "warning dashed"}
    ] == (moved["markers"])
    assert {"count": 10, "order": "desc"} == moved["requests"][0]["formulas"][0]["limit"]
    table = shown["Every model"]["requests"][0]
    names = [each["name"] for each in table["queries"]]
    assert len(set(names)) == len(names)
    aliases = [each["alias"] for each in table["formulas"]]
    assert ["requests/s", "failed", "p95", "outputs differ"] == aliases[:4]


def test_boxes_fill_the_grid_and_do_not_meet() -> None:
    """Within a row no two widgets share a place, and none is wider than the page."""
    for name in DASHBOARDS:
        for group in render_dashboard(DASHBOARDS[name], ALERTS)[0]["widgets"]:
            taken: set[tuple[int, int]] = set()
            for widget in group["definition"]["widgets"]:
                box = widget["layout"]
                places = {
                    (box["x"] + right, box["y"] + down)
                    for right in range(box["width"])
                    for down in range(box["height"])
                }
                assert not taken & places
                assert max(x for x, _ in places) < 12
                taken |= places


def test_the_command_writes_them(tmp_path: Any) -> None:
    """One file each, that Datadog imports; what is left out is a table."""
    terminal = commands.run("dashboards render", "datadog", "-o", str(tmp_path))
    assert 0 == terminal.status
    assert {f"tidegauge-{name}.json" for name in DASHBOARDS} == {
        path.name for path in tmp_path.iterdir()
    }
    for path in tmp_path.iterdir():
        check_dashboard(json.loads(path.read_text()))
    assert "Left out: datadog has no such thing" in terminal.tables
