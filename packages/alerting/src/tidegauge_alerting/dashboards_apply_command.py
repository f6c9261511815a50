"""``tidegauge dashboards apply``: the dashboards put where the vendor looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_alerting.apply_command import add_steps
from tidegauge_alerting.command import add_file, in_force
from tidegauge_alerting.dashboard_files import DashboardError, load_dashboards

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("vendor", choices=("datadog",), help="whose dashboards to write")
    add_steps(parser, "dashboards")
    add_file(parser)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    # Only who asks for them loads them.
    from tidegauge.settings import SettingError  # noqa: PLC0415

    from tidegauge_alerting.datadog import dashboard_applying, settings  # noqa: PLC0415
    from tidegauge_alerting.datadog.api import Api, ApiError  # noqa: PLC0415
    from tidegauge_alerting.datadog.dashboards import render_dashboard  # noqa: PLC0415
    from tidegauge_alerting.datadog.plan import Kind  # noqa: PLC0415

    alerts = {alert.name: alert for alert in in_force(arguments.alerts).alerts}
    try:
        wanted = {each.name: render_dashboard(each, alerts)[0] for each in load_dashboards()}
        api = Api(settings.read())
        sheets = dashboard_applying.look(api, wanted)
        for sheet in sheets:
            if sheet.kind is Kind.SAME:
                continue
            keep = sheet.kind is Kind.DELETE and not arguments.prune
            left = ": not defined, --prune deletes it" if keep else ""
            terminal.print(f"{'?' if keep else sheet.kind.value} {sheet.title}{left}")
            for line in sheet.lines:
                terminal.print(f"    {line}")
        same = sum(sheet.kind is Kind.SAME for sheet in sheets)
        terminal.print(f"{same} of {len(sheets)} dashboards are as they should be.")
        if not arguments.yes:
            terminal.print("Nothing was changed: --yes does it.")
            return 0
        written, failed = dashboard_applying.write(
            api, sheets, prune=arguments.prune, say=terminal.print
        )
    except (SettingError, DashboardError, ApiError) as error:
        raise CommandError(str(error)) from error
    for title, why in failed:
        terminal.print(f"{title} failed: {why}")
    terminal.print(f"{written} written, {len(failed)} failed.")
    return 1 if failed else 0


#: What the entry point ``dashboards apply`` finds.
APPLY = Command(
    summary="Put the dashboards into Datadog, or show what that would change.",
    example="tidegauge dashboards apply datadog",
    arguments=_arguments,
    run=_run,
)
