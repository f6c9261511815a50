from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tidegauge_alerting import load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.panels import Kind
from tidegauge_alerting.preview import draw, drawing
from tidegauge_alerting.preview.answers import Line, Span, TableRow, worst_first
from tidegauge_alerting.preview.figures import escape, figure, visible
from tidegauge_alerting.prometheus_api import PrometheusApi
from tidegauge_testkit.promql_listener import Labels, Listener

DASHBOARDS = load_dashboards()
ALERTS = {alert.name: alert for alert in load().alerts}
SPAN = Span(1_800_000_000.0, 3600)
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></svg></style><iframe src=//evil.example>",
    "javascript:alert(1)",
    "a\u202egnp.exe\n\x00b",
    "x" * 5000,
    "{{7*7}}${1+1}",
)  # fmt: skip
ELEMENTS = re.compile(
    "html|head|meta|title|style|body|header|h[1-4]|p|nav|a|main|section|article|ul|li|b|br|span|"
    "div|svg|path|table|thead|tbody|tr|th|td|details|summary|code"
)
ATTRIBUTES = re.compile(
    "lang|charset|name|content|http-equiv|class|id|href|scope|viewbox|preserveaspectratio|role|"
    "aria-label|aria-hidden|d"
)


def labelled(expression: str, values: Sequence[str]) -> list[tuple[Labels, float]]:
    """Return a series for each value, which stands in all labels that the expression keeps."""
    outer = re.match(r"\(*(?:topk\(\d+, )?\w+(?:\([\d.]+, \w+)? by \(([^)]*)\)", expression)
    keys = [key for key in (outer[1].split(", ") if outer else ()) if key != "le"]
    if not keys:
        return [({}, 0.25)]
    return [(dict.fromkeys(keys, value), 0.25 + n) for n, value in enumerate(values)]


class Reader(HTMLParser):
    """What a browser would make of a page: elements, attributes and the text outside of styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.add(tag)
        for key, value in attrs:
            self.attributes.setdefault(key, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data


def page_of(values: Sequence[str]) -> str:
    """Return the page of a server whose labels have these values."""
    rule = {
        "type": "alerting",
        "name": "HighErrorRate",
        "alerts": [
            {
                "state": "firing",
                "labels": {"severity": value, "feature": value},
                "annotations": {"summary": value},
                "activeAt": value,
            }
            for value in values
        ],
    }
    with Listener(lambda text: labelled(text, values), [rule]) as listener:
        server = PrometheusApi(listener.url)
        parts = draw.sections(DASHBOARDS, values[:2])
        return draw.page(server, parts, ALERTS, SPAN)[0].replace(listener.url, "URL")


def test_labels_are_never_markup() -> None:
    """Whatever models and features are called, the page has our elements, and no address."""
    page = page_of(HOSTILE)
    found = Reader(page)
    assert [each for each in found.elements if not ELEMENTS.fullmatch(each)] == []
    assert [each for each in found.attributes if not ATTRIBUTES.fullmatch(each)] == []
    assert {
        each for each in found.attributes["href"] if not re.fullmatch("#p[0-9]+", each)
    } == set()
    classes = {name for each in found.attributes["class"] for name in each.split()}
    assert all(re.fullmatch(r"[a-z]+\d?", name) for name in classes)
    # It is all there, to be read.
    for value in HOSTILE[:5]:
        assert value in found.text
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "x" * 1000 not in page


def test_nothing_is_fetched() -> None:
    """The page says so itself, has no script, and names no other address."""
    page = page_of(["fraud"])
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert re.findall(r"https?:|url\(|@import|<script|src=", page) == []


def test_the_same_answers_are_the_same_page() -> None:
    """Nothing on it depends on chance or on the clock."""
    assert page_of(["a", "b"]) == page_of(["a", "b"])


def test_hundreds_of_models_are_one_table() -> None:
    """The first rows are seen, all others are a click away."""
    names = [f"model_{number:03}" for number in range(500)]

    def answers(expression: str) -> list[tuple[Labels, float]]:
        found = labelled(expression, names)
        top = re.search(r"topk\((\d+)", expression)
        return found[: int(top[1])] if top else found

    with Listener(answers) as listener:
        server = PrometheusApi(listener.url)
        parts = draw.sections(DASHBOARDS[:1], ())
        page = draw.page(server, parts, ALERTS, SPAN)[0]
    assert "450 more" in page
    assert all(f">{name}<" in page for name in names)
    assert len(page) < 2_000_000


def test_versions_that_come_together_are_one_mark() -> None:
    """A roll-out of everything is one line with some of the names."""
    names = [f"model_{number:03}" for number in range(30)]

    def answers(expression: str) -> list[tuple[Labels, float]]:
        return [] if "model_marker" in expression else labelled(expression, names)

    with Listener(answers) as listener:
        (part,) = draw.sections(DASHBOARDS[:1], ())
        filled = draw.fill(part, PrometheusApi(listener.url), SPAN)
    assert [text for _, text in filled.marks] == [
        "new version: model_000 model_000, model_001 model_001, model_002 model_002 and 27 more"
    ]


def test_a_panel_without_data_says_why() -> None:
    """No metric, none for this model, or nothing in this time: three different things to do."""

    def answers(expression: str) -> Sequence[tuple[Labels, float]] | str:
        if "drift_ks_statistic" in expression:
            return "parse error: unexpected character"
        if expression.startswith("count(last_over_time("):
            if "model_errors_total" in expression:
                return []
            if "drift_window_rows{" in expression:
                return []
            return [({}, 1.0)]
        return []

    with Listener(answers) as listener:
        server = PrometheusApi(listener.url)
        (_, filled) = draw.page(server, draw.sections(DASHBOARDS, ["fraud"]), ALERTS, SPAN)
    told = {
        (part.dashboard.name, answer.panel.title): answer.missing
        for part in filled
        for answer in part.answers.values()
    }
    assert told["model", "Errors by type"] == (
        "model_errors_total has no series: nothing that is scraped exports it."
    )
    assert told["model", "Rows of the last window"] == (
        'Of drift_window_rows there are no series {model_name="fraud"}.'
    )
    assert told["model", "Requests"] == (
        "model_requests_total has series, and none with an event or a value in this time."
    )
    assert told["drift", "Kolmogorov-Smirnov statistic"].endswith(
        " refuses it: bad_data: parse error: unexpected character"
    )
    assert all(part.is_empty for part in filled)


def test_rules_that_are_not_there_are_no_calm() -> None:
    """No alert fires, or nobody would say so: the page tells the two apart."""
    quiet = {"type": "alerting", "name": "HighErrorRate", "alerts": []}
    others = {"type": "alerting", "name": "DiskFull", "alerts": []}
    for rules, text in (
        ([quiet], "No alert fires."),
        ([others], "This server has no alert rules of Tidegauge."),
        ([], "This server has no alert rules of Tidegauge."),
    ):
        with Listener(lambda text: labelled(text, ["a"]), rules) as listener:
            server = PrometheusApi(listener.url)
            parts = draw.sections(DASHBOARDS[:1], ())
            assert text in draw.page(server, parts, ALERTS, SPAN)[0]


def test_those_that_need_somebody_come_first() -> None:
    """By severity, then the number of reasons, then the busiest."""
    table = next(panel for panel in DASHBOARDS[0].panels if panel.kind is Kind.TABLE)
    at = {query.title: number for number, query in enumerate(table.queries)}

    def row(name: str, **values: float) -> TableRow:
        cells: list[float | None] = [None] * len(table.queries)
        for key, value in values.items():
            cells[at[key.replace("_", " ")]] = value
        cells[at["requests/s"]] = values.get("rate", 1.0)
        labels = {"model_name": name, "model_version": "1"}
        return TableRow(labels, cells)

    at["rate"] = at["requests/s"]
    rows = [
        row("quiet"),
        row("busy", rate=9.0),
        row("inputs", inputs_differ=1.0),
        row("failing", failed=0.06),
        row("failing_and_drifting", failed=0.06, outputs_differ=1.0),
        row("nearly", failed=0.04),
    ]
    assert [each.labels["model_name"] for each in worst_first(rows, table, ALERTS)] == [
        "failing_and_drifting", "failing", "inputs", "busy", "nearly", "quiet",
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "look"), [(0.0, "calm"), (1.0, "warning"), (7.0, "warning")])
def test_several_models_that_differ_are_as_bad_as_one(number: float, look: str) -> None:
    """Verdicts that are added up are coloured from the first on."""

    def answers(expression: str) -> list[tuple[Labels, float]]:
        return [({}, number)] if 'family="inputs"' in expression else []

    with Listener(answers) as listener:
        parts = draw.sections(DASHBOARDS[:1], ())
        page = draw.page(PrometheusApi(listener.url), parts, ALERTS, SPAN)[0]
    assert f'<h4>Inputs differ</h4><p class="big {look}">{number:g}</p>' in page


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.05, "share", "5 %"),
        (0.0, "share", "0 %"),
        (1.0, "flag", "yes"),
        (0.0, "flag", "no"),
        (0.0123, "s", "12.3 ms"),
        (0.0000042, "s", "4.2 µs"),
        (90.0, "s", "1.5 min"),
        (15_552_000.0, "s", "180 d"),
        (0.0, "s", "0 s"),
        (3.5 * 2**30, "By", "3.5 GiB"),
        (1234.0, "{request}/s", "1234/s"),
        (2_500_000.0, "{row}/s", "2.5 M/s"),
        (2048.0, "By/s", "2 KiB/s"),
        (12.5, "%", "12.5 %"),
        (3.0, "W", "3 W"),
        (0.25, "", "0.25"),
        (1e-17, "", "0"),
        (math.inf, "", "∞"),
    ],
)
def test_a_number_is_short_and_has_its_unit(value: float, unit: str, text: str) -> None:
    """Three digits are enough at night."""
    assert text == figure(value, unit)


def test_what_cannot_be_seen_is_marked() -> None:
    """A sign that turns the direction of writing can make a name read as another."""
    assert visible("a\u202eb\nc\x00") == "a\ufffdb\ufffdc\ufffd"
    assert escape("<a href='x'>\"&") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;"
    assert len(visible("x" * 5000)) == 200


def moves(points: Sequence[tuple[float, float]]) -> list[str]:
    """Return the commands of a line's path."""
    (path,) = re.findall(
        r'class="line s0" d="([^"]*)"', drawing.picture([Line("a", "", points)], SPAN)
    )
    return re.findall(r"[MLh][^MLh]*", path)


def test_no_data_are_no_line() -> None:
    """A gap is a gap, a single point is a dot, and infinity is left out."""
    start, step = SPAN.start_s, SPAN.step_s
    assert moves([(start, 1.0), (start + step, 2.0), (start + 9 * step, 1.0)]) == [
        "M0.0 80.0", "h.01", "L5.0 0.0", "M45.0 80.0", "h.01",
    ]  # fmt: skip
    assert moves([(start, math.inf), (start + step, 2.0)]) == ["M5.0 0.0", "h.01"]


@pytest.mark.parametrize(
    ("value", "threshold", "drawn"),
    [(1.0, 0.5, True), (1.0, 2.9, True), (1.0, 50.0, False), (0.0, 0.05, True)],
)
def test_a_threshold_that_is_near_is_in_the_picture(
    value: float, threshold: float, drawn: bool
) -> None:
    """One that is far would press the lines flat."""
    limit = drawing.Limit(threshold, "TooHigh", "critical")
    text = drawing.picture([Line("a", "", [(SPAN.end_s, value)])], SPAN, [limit])
    assert drawn == ('class="limit critical"' in text)


def test_lines_beyond_the_colours_are_dashed() -> None:
    """Twenty lines can be told apart."""
    looks = [drawing.look(number) for number in range(16)]
    assert len(set(looks)) == 16


def test_the_colours_of_the_page_are_those_of_the_lines() -> None:
    """Each class of a line has a colour, in light and in dark."""
    css = Path(drawing.__file__).with_name("page.css").read_text()
    for number in range(drawing.COLOURS):
        assert css.count(f"--s{number}: #") == 2
        assert f".s{number} {{ stroke: var(--s{number}); }}" in css
