"""``tidegauge dashboards render``, ``check`` and ``preview``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_alerting import dashboard_vendors, server_options
from tidegauge_alerting.command import add_file, in_force
from tidegauge_alerting.dashboard_files import DashboardError, load_dashboards
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.folder import write_files
from tidegauge_alerting.panel_promql import expression
from tidegauge_alerting.panels import Dashboard, Kind, Query
from tidegauge_alerting.preview import draw
from tidegauge_alerting.preview.answers import Span, why_none
from tidegauge_alerting.preview.figures import visible
from tidegauge_alerting.preview.page import Section
from tidegauge_alerting.prometheus_api import PrometheusApi, RefusedError, ServerError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_SINCE = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_SHORTEST_S, _LONGEST_S = 300, 31 * 86_400
# So many models have a part of their own on the page when nobody names one.
_MODELS = 3


def _dashboards() -> tuple[Dashboard, ...]:
    try:
        return load_dashboards()
    except DashboardError as error:
        raise CommandError(str(error)) from error


def _alerts(path: str | None) -> dict[str, AlertDefinition]:
    found = in_force(path)
    return {alert.name: alert for alert in (*found.alerts, *found.off)}


def _needs(extra: str, error: ModuleNotFoundError) -> CommandError:
    library = (error.name or "").partition(".")[0]
    return CommandError(
        f"{library}: not installed; expected it for this command. "
        f"pip install 'tidegauge-alerting[{extra}]'"
    )


def _prometheus(parser: ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--prometheus",
        metavar="URL",
        required=required,
        help="a Prometheus, or what answers like one: http://localhost:9090",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        default="6h",
        help="how much of the past to look at, such as 30m, 6h or 7d (default: 6h)",
    )
    server_options.add_credentials(parser)


def _server(arguments: Namespace) -> tuple[PrometheusApi, Span]:
    found = _SINCE.fullmatch(arguments.since)
    length_s = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _SHORTEST_S <= length_s <= _LONGEST_S:
        raise CommandError(
            f"--since: got {arguments.since!r}; expected 5m to 31d, with m, h or d. "
            "Leave it out for 6h."
        )
    server = server_options.server("--prometheus", arguments.prometheus, arguments)
    return server, draw.now(length_s)


# --- render


def _render_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "vendor", choices=dashboard_vendors.names(), help="whose dashboards to write"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True,
        help="the folder to write to; other files in it are left alone",
    )  # fmt: skip
    add_file(parser)


def _render(arguments: Namespace, terminal: Terminal) -> int:
    try:
        draw_for = dashboard_vendors.load(arguments.vendor)
    except ModuleNotFoundError as error:
        raise _needs(arguments.vendor, error) from error
    folder = Path(arguments.output)
    drawn = draw_for(_dashboards(), _alerts(arguments.alerts))
    write_files(folder, drawn.files)
    for name in drawn.files:
        terminal.print(str(folder / name))
    if drawn.left_out:
        terminal.table(
            f"Left out: {arguments.vendor} has no such thing", ("panel", "why"), drawn.left_out
        )
    return 0


# --- check


@dataclass(frozen=True, slots=True)
class _Asked:
    """One expression, and where it stands."""

    place: str
    query: Query
    now: bool


def _asked(dashboards: Sequence[Dashboard]) -> Iterator[_Asked]:
    for dashboard in dashboards:
        for panel in dashboard.panels:
            for number, query in enumerate(panel.queries, 1):
                name = query.title or (str(number) if len(panel.queries) > 1 else "")
                place = f"{dashboard.name}: {panel.title}{f' ({name})' if name else ''}"
                yield _Asked(place, query, panel.kind is Kind.TABLE)


def _check_arguments(parser: ArgumentParser) -> None:
    _prometheus(parser, required=False)


def _check(arguments: Namespace, terminal: Terminal) -> int:
    asked = list(_asked(_dashboards()))
    span = draw.now(3600)
    wrong = [(each.place, reason) for each in asked if (reason := _parse(each, span))]
    if wrong:
        terminal.table("Expressions that cannot be read", ("panel", "why"), wrong)
        return 1
    terminal.print(f"{len(asked)} expressions can be read.")
    if arguments.prometheus is None:
        return 0
    return _ask_all(asked, *_server(arguments), terminal)


def _parse(asked: _Asked, span: Span) -> str:
    try:
        import promql_parser  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _needs("check", error) from error
    try:
        promql_parser.parse(expression(asked.query, {}, span.times, now=asked.now))
    except ValueError as error:
        return str(error)
    return ""


def _ask_all(asked: Sequence[_Asked], server: PrometheusApi, span: Span, terminal: Terminal) -> int:
    refused: list[tuple[str, str]] = []
    idle: list[tuple[str, str]] = []
    absent: list[tuple[str, str]] = []
    try:
        for each in terminal.track(asked, "Asking Prometheus", len(asked)):
            text = expression(each.query, {}, span.times, now=each.now)
            try:
                if each.now:
                    found = server.instant(text, span.end_s)
                else:
                    found = server.over(text, span.start_s, span.end_s, span.step_s)
            except RefusedError as error:
                refused.append((each.place, str(error)))
                continue
            if not found:
                reason, there = why_none(server, each.query, {}, span)
                (idle if there else absent).append((each.place, reason))
    except ServerError as error:
        raise CommandError(str(error)) from error
    for title, rows in (
        ("Expressions that Prometheus refuses", refused),
        ("No data, though the metric is there", idle),
        ("No data: nothing exports the metric", absent),
    ):
        if rows:
            terminal.table(title, ("panel", "why"), rows)
    good = len(asked) - len(refused) - len(idle) - len(absent)
    terminal.print(
        f"{good} expressions have data, {len(idle)} have none just now, {len(absent)} are of "
        f"metrics that nothing exports, {len(refused)} are refused."
    )
    return 1 if refused or idle else 0


# --- preview


def _preview_arguments(parser: ArgumentParser) -> None:
    _prometheus(parser, required=True)
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the page to write, or to replace"
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="a model to show by itself; may be repeated "
        f"(default: the {_MODELS} that need somebody first)",
    )
    add_file(parser)


def _preview(arguments: Namespace, terminal: Terminal) -> int:
    server, span = _server(arguments)
    dashboards, alerts = _dashboards(), _alerts(arguments.alerts)
    path = Path(arguments.output)
    if path.is_dir():
        raise CommandError(f"{path}: got a folder; expected a file. Name the page: page.html.")
    try:
        seen = draw.models(server, dashboards, alerts, span)
        chosen = _chosen(arguments.model, seen)
        parts = draw.sections(dashboards, chosen)
        tracked = terminal.track(parts, "Asking Prometheus", len(parts))
        text, filled = draw.page(server, tracked, alerts, span)
    except ServerError as error:
        raise CommandError(str(error)) from error
    panels = sum(len(part.answers) for part in filled)
    missing = sum(len(part.missing) for part in filled)
    if missing == panels:
        raise CommandError(
            f"Prometheus at {server.url}: got no data for any panel in the last "
            f"{arguments.since}; expected the metrics of a model. Look whether it scrapes your "
            "service: `tidegauge doctor` there, and Status > Targets here."
        )
    write_files(path.parent, {path.name: text})
    if missing:
        rows = list(_empty(filled))
        terminal.table("Panels without data", ("dashboard", "panel", "why"), rows)
    terminal.print(f"{path}: {panels - missing} of {panels} panels have data.")
    return 0


def _empty(parts: Sequence[Section]) -> Iterator[tuple[str, str, str]]:
    for part in parts:
        if part.is_empty:
            yield visible(part.title), "(all)", visible(part.missing[0].missing)
            continue
        for answer in part.missing:
            yield visible(part.title), answer.panel.title, visible(answer.missing)


def _chosen(named: Sequence[str] | None, seen: Sequence[str]) -> Sequence[str]:
    if not named:
        return seen[:_MODELS]
    for name in named:
        if name not in seen:
            close = difflib.get_close_matches(name, seen, 1)
            nearest = f" The nearest is {close[0]!r}." if close else ""
            raise CommandError(
                f"--model: got {name!r}; expected one of the {len(seen)} models that have been "
                f"seen.{nearest} Correct the name."
            )
    return list(dict.fromkeys(named))


#: What the entry points ``dashboards render``, ``check`` and ``preview`` find.
RENDER = Command(
    summary="Write the dashboards for Grafana or Datadog.",
    example="tidegauge dashboards render grafana -o grafana",
    arguments=_render_arguments,
    run=_render,
)
CHECK = Command(
    summary="Check that every expression of the dashboards can be read, and has data.",
    example="tidegauge dashboards check --prometheus http://localhost:9090",
    arguments=_check_arguments,
    run=_check,
)
PREVIEW = Command(
    summary="Draw the dashboards with live data as one static page, without Grafana.",
    example="tidegauge dashboards preview --prometheus http://localhost:9090 -o page.html",
    arguments=_preview_arguments,
    run=_preview,
)
