"""Answers to one static page: no script, nothing from the network, light and dark."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from tidegauge_alerting.definitions import AlertDefinition, Comparison
from tidegauge_alerting.panels import Dashboard, Kind, Panel
from tidegauge_alerting.preview import drawing
from tidegauge_alerting.preview.answers import Answer, Span, TableRow, worst_first
from tidegauge_alerting.preview.figures import escape, figure

# Rows of a table that are seen at once; the others are a click away.
_SEEN_ROWS = 50
_SEEN_LINES = 6
_SEEN_MARKS = 5
_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Fire:
    """An alert that fires, or will if it goes on."""

    name: str
    severity: str
    state: str
    summary: str
    labels: str
    since: str

    @property
    def look(self) -> str:
        """The class of its severity; a label may hold anything."""
        return self.severity if self.severity in _SEVERITIES else ""

    @property
    def rank(self) -> tuple[bool, int]:
        """Where it stands among others: what fires first, then by severity."""
        return self.state != "firing", [*_SEVERITIES, ""].index(self.look)


@dataclass(frozen=True, slots=True)
class Section:
    """One dashboard, for one model where it is about one."""

    dashboard: Dashboard
    model: str
    answers: Mapping[str, Answer]  # by the panel's place: "row.panel"
    marks: Sequence[tuple[float, str]]

    @property
    def title(self) -> str:
        """What it is called on the page."""
        return f"{self.dashboard.title}: {self.model}" if self.model else self.dashboard.title

    @property
    def missing(self) -> Sequence[Answer]:
        """The panels that have nothing to show."""
        return [answer for answer in self.answers.values() if answer.missing]

    @property
    def is_empty(self) -> bool:
        """Whether none of its panels has anything to show."""
        return len(self.missing) == len(self.answers)


@dataclass(frozen=True, slots=True)
class _Around:
    """What all parts of a page have in common."""

    anchors: Mapping[tuple[str, str], str]  # of a dashboard and a model
    alerts: Mapping[str, AlertDefinition]
    span: Span

    def told(self, names: Sequence[str]) -> list[AlertDefinition]:
        """Return the alerts of these names; one that is off is not among them."""
        return [self.alerts[name] for name in names if name in self.alerts]


def render(
    sections: Sequence[Section],
    fires: Sequence[Fire] | None,
    alerts: Mapping[str, AlertDefinition],
    span: Span,
    source: str,
) -> str:
    """Return the page; ``fires`` is None where the server has no alert rules of ours."""
    anchors = {
        (section.dashboard.name, section.model): f"p{number}"
        for number, section in enumerate(sections)
    }
    links = "".join(
        f'<a href="#p{number}">{escape(section.title)}</a>'
        for number, section in enumerate(sections)
    )
    style = (resources.files("tidegauge_alerting.preview") / "page.css").read_text("utf-8")
    around = _Around(anchors, alerts, span)
    body = "".join(
        _section(section, f"p{number}", around) for number, section in enumerate(sections)
    )
    shown = _moment(span.start_s), _moment(span.end_s)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Whatever a label held that we failed to escape: nothing is fetched, nothing runs.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Models in production</title><style>{style}</style></head><body>"
        f"<header><h1>Models in production</h1><p>{shown[0]} to {shown[1]} UTC, "
        f"from {escape(source)}</p><nav>{links}</nav></header><main>"
        f"{_alerts(fires)}{body}</main></body></html>\n"
    )


def _moment(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_s))


def _alerts(fires: Sequence[Fire] | None) -> str:
    if fires is None:
        text = (
            '<p class="note">This server has no alert rules of Tidegauge. '
            "<code>tidegauge rules render prometheus</code> writes them.</p>"
        )
    elif not fires:
        text = '<p class="calm">No alert fires.</p>'
    else:
        text = "".join(
            f'<li class="{each.look}"><b>{escape(each.name)}</b> '
            f'<span class="tag">{escape(each.state)} {escape(each.since)}'
            f"{escape(f' ({each.labels})' if each.labels else '')}</span>"
            f"<br>{escape(each.summary)}</li>"
            for each in sorted(fires, key=lambda each: (each.rank, each.name, each.summary))
        )
        text = f'<ul class="fires">{text}</ul>'
    return f'<section class="now"><h2>Alerts</h2>{text}</section>'


def _section(section: Section, anchor: str, around: _Around) -> str:
    rows = []
    if section.is_empty:
        reason = section.missing[0].missing
        rows.append(f'<p class="none">No panel has data. The first: {escape(reason)}</p>')
    for number, row in enumerate(() if section.is_empty else section.dashboard.rows):
        panels = []
        for place, panel in enumerate(row.panels):
            answer = section.answers[f"{number}.{place}"]
            panels.append(_panel(panel, answer, section.marks, around))
        rows.append(f'<h3>{escape(row.title)}</h3><div class="row">{"".join(panels)}</div>')
    marks = "".join(
        f'<p class="marked">{drawing.clock(at_s, around.span)} {escape(text)}</p>'
        for at_s, text in section.marks[-_SEEN_MARKS:]
    )
    return (
        f'<section id="{anchor}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.dashboard.description)}</p>{marks}{''.join(rows)}</section>"
    )


def _panel(
    panel: Panel, answer: Answer, marks: Sequence[tuple[float, str]], around: _Around
) -> str:
    told = around.told(panel.alerts)
    if answer.missing:
        body = f'<p class="none">No data. {escape(answer.missing)}</p>'
    elif panel.kind is Kind.TABLE:
        body = _table(panel, answer.rows, around)
    elif panel.kind is Kind.STAT:
        line = answer.lines[0]
        value = line.points[-1][1]
        body = (
            f'<p class="big {_severity(value, told)}">{figure(value, line.unit)}</p>'
            f"{drawing.spark(line, around.span)}"
        )
    else:
        limits = [
            drawing.Limit(alert.threshold, alert.name, alert.severity.value)
            for alert in told
            if alert.comparison is not Comparison.EQUAL
        ]
        body = drawing.picture(answer.lines, around.span, limits, marks)
        body += _legend(answer, told)
    return (
        f'<article class="{panel.kind} {panel.width}"><h4>{escape(panel.title)}</h4>'
        f'{body}<p class="about">{escape(panel.description)}</p></article>'
    )


def _severity(value: float, alerts: Sequence[AlertDefinition]) -> str:
    for severity in _SEVERITIES:
        if any(each.severity == severity and _fires(each, value) for each in alerts):
            return severity
    return "calm" if alerts else ""


def _fires(alert: AlertDefinition, value: float) -> bool:
    # Of verdicts that were added up two are as bad as one.
    many = alert.comparison is Comparison.EQUAL and 0 < alert.threshold < value
    return many or alert.fires_at(value)


def _legend(answer: Answer, alerts: Sequence[AlertDefinition]) -> str:
    rows = []
    for number, line in enumerate(answer.lines):
        last = line.points[-1][1]
        most = max(value for _, value in line.points)
        rows.append(
            f'<tr><th scope="row"><svg class="sign" viewBox="0 0 20 4" aria-hidden="true">'
            f'<path class="line {drawing.look(number)}" d="M0 2H20"/></svg>{escape(line.legend)}'
            f'</th><td class="{_severity(last, alerts).replace("calm", "")}">'
            f"{figure(last, line.unit)}</td><td>{figure(most, line.unit)}</td></tr>"
        )
    head = '<tr><th scope="col"></th><th scope="col">last</th><th scope="col">max</th></tr>'
    shown = _folded(rows, _SEEN_LINES, head, "legend")
    limits = "".join(
        f'<p class="limits {each.severity}">- - {escape(each.name)}: '
        f"{each.comparison} {figure(each.threshold, answer.lines[0].unit)}</p>"
        for each in alerts
        if each.comparison is not Comparison.EQUAL
    )
    return shown + limits


def _table(panel: Panel, rows: Sequence[TableRow], around: _Around) -> str:
    texts = [escape(key.replace("_", " ")) for key in panel.attributes]
    titles = [escape(query.title) for query in panel.queries]
    head = "".join(
        [f'<th scope="col" class="text">{each}</th>' for each in texts]
        + [f'<th scope="col">{each}</th>' for each in titles]
    )
    lines = []
    for row in worst_first(rows, panel, around.alerts):
        anchor = around.anchors.get((panel.opens, row.labels.get("model_name", "")))
        cells = []
        for number, value in enumerate(row.labels.values()):
            text = escape(value) or '<span class="none">-</span>'
            if number == 0:
                linked = f'<a href="#{anchor}">{text}</a>' if anchor else text
                cells.append(f'<th scope="row">{linked}</th>')
            else:
                cells.append(f'<td class="text">{text}</td>')
        for query, found in zip(panel.queries, row.values, strict=True):
            if found is None:
                cells.append('<td class="none">-</td>')
                continue
            told = around.told(query.alerts)
            severity = _severity(found, told)
            shown = severity if severity != "calm" else ""
            cells.append(f'<td class="{shown}">{figure(found, query.shown_unit)}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return _folded(lines, _SEEN_ROWS, f"<tr>{head}</tr>", "wide")


def _folded(rows: Sequence[str], seen: int, head: str, kind: str) -> str:
    """Return a table whose further rows are a click away."""

    def table(part: Sequence[str]) -> str:
        return (
            f'<div class="scroll"><table class="{kind}"><thead>{head}</thead>'
            f"<tbody>{''.join(part)}</tbody></table></div>"
        )

    if len(rows) <= seen + 1:
        return table(rows)
    more = len(rows) - seen
    return (
        f"{table(rows[:seen])}<details><summary>{more} more</summary>{table(rows[seen:])}</details>"
    )
