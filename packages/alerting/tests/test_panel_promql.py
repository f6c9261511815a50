from __future__ import annotations

import promql_parser
import pytest
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.measures import Where
from tidegauge_alerting.panel_promql import GRAFANA, Times, expression, values_of
from tidegauge_alerting.panels import Aggregate, Dashboard, Over, Query
from tidegauge_semconv import metrics as m

TIMES = Times("5m", "6h", "1m")
CHOSEN = {"model_name": 'model_name="a"', "feature": 'feature=~".*"'}
ERROR = (Where("status", ("error",)),)


@pytest.mark.parametrize("dashboard", load_dashboards(), ids=lambda each: each.name)
def test_every_expression_parses(dashboard: Dashboard) -> None:
    """Syntax and types of each panel and mark are right, for one moment and over time."""
    queries = [
        *(query for panel in dashboard.panels for query in panel.queries),
        *(mark.query for mark in dashboard.marks),
    ]
    for query in queries:
        for now in (True, False):
            promql_parser.parse(expression(query, CHOSEN, TIMES, now=now))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            Query(m.MODEL_REQUESTS, Aggregate.RATE, ("status",)),
            'sum by (status) (rate(model_requests_total{model_name="a"}[5m]))',
        ),
        (
            Query(m.MODEL_REQUEST_LATENCY, Aggregate.RATE, window_s=3600),
            'sum(rate(model_request_latency_seconds_count{model_name="a"}[1h]))',
        ),
        (
            Query(m.MODEL_REQUESTS, Aggregate.SHARE, part=ERROR),
            'sum(rate(model_requests_total{model_name="a",status="error"}[5m])) / '
            '(sum(rate(model_requests_total{model_name="a"}[5m])) > 0)',
        ),
        (
            Query(m.MODEL_REQUEST_LATENCY, Aggregate.QUANTILE, ("operation",), q=0.95),
            "histogram_quantile(0.95, sum by (operation, le) "
            '(rate(model_request_latency_seconds_bucket{model_name="a"}[5m]))) < Inf',
        ),
        (
            Query(m.DRIFT_DETECTED, Aggregate.MAX, where=(Where("feature", ("",)),)),
            'max(drift_detected{model_name="a",feature=""})',
        ),
        (
            Query(m.DRIFT_DETECTED, Aggregate.MAX, unless=(Where("feature", ("",)),)),
            'max(drift_detected{model_name="a",feature=~".*",feature!=""})',
        ),
        (
            Query(m.DRIFT_DETECTED, Aggregate.MAX, ("model_name",), over=Over("count")),
            "sum ((max by (model_name) "
            '(drift_detected{model_name="a",feature=~".*"})) > bool 0)',
        ),
        (
            Query(
                m.TIDEGAUGE_ERRORS, Aggregate.INCREASE, window_s=3600,
                zero_beside=m.MODEL_REQUESTS,
            ),
            "(sum((tidegauge_errors_total unless tidegauge_errors_total offset 1h) or "
            "increase(tidegauge_errors_total[1h]))) or 0 * group(model_requests_total)",
        ),
    ],
)  # fmt: skip
def test_an_aggregate_is_what_it_says(query: Query, text: str) -> None:
    """Each is the expression that an engineer would write by hand."""
    assert text == expression(query, CHOSEN, TIMES, now=False)
    promql_parser.parse(text)


def test_the_highest_are_those_of_the_time_that_is_shown() -> None:
    """Over time no more lines are drawn than were asked for; at one moment topk is enough."""
    query = Query(m.DRIFT_PSI_VALUE, Aggregate.MAX, ("feature",), top=10)
    plain = "max by (feature) (drift_psi_value)"
    assert f"topk(10, {plain})" == expression(query, {}, GRAFANA, now=True)
    assert (
        f"({plain}) and topk(10, max_over_time(({plain})[$__range:$__interval] @ end()))"
    ) == expression(query, {}, GRAFANA, now=False)


def test_values_are_chosen_among_those_that_are_left() -> None:
    """What was chosen before narrows the choice."""
    assert ('label_values(drift_psi_value{model_name="a"}, window)') == values_of(
        m.DRIFT_PSI_VALUE, "window", {"model_name": 'model_name="a"'}
    )
    assert ("label_values(model_request_latency_seconds_count, model_name)") == values_of(
        m.MODEL_REQUEST_LATENCY, "model_name", {}
    )


def test_every_aggregate_has_an_expression() -> None:
    """One that is added is noticed."""
    for aggregate in Aggregate:
        query = Query(m.MODEL_REQUESTS, aggregate, ("model_name",), part=ERROR, q=0.5, window_s=60)
        promql_parser.parse(expression(query, {}, TIMES, now=True))
