"""Every query, of monitors and of pictures, against what the exporter sends."""

from __future__ import annotations

import pytest
from tidegauge_alerting import load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.datadog.dashboards import render_dashboard
from tidegauge_alerting.datadog.monitors import monitors
from tidegauge_exporter_datadog import muted
from tidegauge_exporter_datadog.naming import metric_name
from tidegauge_semconv import Kind, all_metrics
from tidegauge_testkit.datadog_monitors import Read, read_by

SPECS = {metric_name(spec.name): spec for spec in all_metrics()}
FILE = load()
MONITORS = [
    str(each.body["query"])
    for each in monitors((*FILE.alerts, *FILE.off)).monitors
    if not each.parts
]
PICTURES = [
    query["query"]
    for dashboard in load_dashboards()
    for group in render_dashboard(dashboard, {})[0]["widgets"]
    for widget in group["definition"]["widgets"]
    for request in widget["definition"]["requests"]
    for query in request["queries"]
]


def check(read: Read) -> None:
    """Hold one series against its metric: tags of its own alone, read as the kind that is sent."""
    spec = SPECS[read.metric]
    assert read.keys <= {*spec.attributes, muted.KEY}
    match spec.kind:
        case Kind.COUNTER:
            assert ("sum", True) == (read.space, read.modifier in (".as_count()", ".as_rate()"))
        case Kind.HISTOGRAM:
            counts = read.space.startswith("count")
            assert counts or (read.space[0] == "p" and read.space[1:].replace(".", "").isdigit())
            assert counts == bool(read.modifier)
        case _:
            assert read.space in ("min", "max", "sum", "avg")
            assert "" == read.modifier


@pytest.mark.parametrize("queries", [MONITORS, PICTURES], ids=["monitors", "pictures"])
def test_queries_ask_for_what_is_sent(queries: list[str]) -> None:
    """Names and tags are the exporter's, and counts, distributions and gauges are read as such."""
    assert len(queries) > 10
    for query in queries:
        found = read_by(query)
        assert found
        for read in found:
            check(read)
