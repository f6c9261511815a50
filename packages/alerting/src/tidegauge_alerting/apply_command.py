"""``tidegauge rules apply``: the alerts put where the vendor looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_alerting.command import add_choice, choice, chosen, tell_left_out

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from tidegauge_alerting.datadog.plan import Change


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("vendor", choices=("datadog",), help="whose monitors to write")
    add_steps(parser, "monitors")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="TAG",
        help="look at the series with this tag alone, such as env:prod; may be repeated. Each "
        "filter has monitors of its own",
    )
    parser.add_argument(
        "--by-version",
        action="store_true",
        help="one alert a model and version; models without a version are then not seen",
    )
    add_choice(parser)


def add_steps(parser: ArgumentParser, things: str) -> None:
    """Add the options that say how far to go."""
    parser.add_argument(
        "--yes", action="store_true", help="do it; without this only what would change is shown"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help=f"also delete {things} of ours that are no longer defined",
    )


def _run(arguments: Namespace, terminal: Terminal) -> int:
    # Only who asks for them loads them.
    from tidegauge.settings import SettingError  # noqa: PLC0415

    from tidegauge_alerting.datadog import applying, settings  # noqa: PLC0415
    from tidegauge_alerting.datadog.api import Api, ApiError  # noqa: PLC0415
    from tidegauge_alerting.datadog.query_language import filter_tag  # noqa: PLC0415
    from tidegauge_alerting.datadog.rendering import rendered  # noqa: PLC0415
    from tidegauge_alerting.datadog.scope import Scope  # noqa: PLC0415

    try:
        tags = tuple(sorted({filter_tag(text) for text in arguments.filter}))
        scope = Scope(tags, by_version=arguments.by_version)
        made = rendered(chosen(arguments, " ".join(choice(arguments))), scope)
        api = Api(settings.read())
    except (SettingError, ValueError) as error:
        raise CommandError(str(error)) from error
    tell_left_out(made.left_out)
    try:
        changes = applying.look(api, made.monitors, scope, arguments.severity or ())
        _show(changes, terminal, prune=arguments.prune)
        for name in applying.without_percentiles(api, made.monitors):
            terminal.print(
                f"{name} has no percentiles in Datadog: its monitors have no data until you turn "
                "them on, under Metrics, Summary."
            )
        if not arguments.yes:
            wrong = applying.refusals(api, changes)
            for name, why in wrong:
                terminal.print(f"{name} would be refused: {why}")
            terminal.print("Nothing was changed: --yes does it.")
            return 1 if wrong else 0
        writer = applying.Writer(api, scope, prune=arguments.prune, say=terminal.print)
        done = writer.write(changes)
    except ApiError as error:
        raise CommandError(str(error)) from error
    for name, why in done.failed:
        terminal.print(f"{name} failed: {why}")
    terminal.print(f"{len(done.written)} written, {len(done.failed)} failed.")
    return 1 if done.failed else 0


def _show(changes: Sequence[Change], terminal: Terminal, *, prune: bool) -> None:
    from tidegauge_alerting.datadog.plan import Kind  # noqa: PLC0415

    same = sum(change.kind is Kind.SAME for change in changes)
    for change in changes:
        if change.kind is Kind.SAME:
            continue
        number = f" (monitor {change.number})" if change.number else ""
        left = (
            "" if prune or change.kind is not Kind.DELETE else ": not defined, --prune deletes it"
        )
        sign = "?" if left else change.kind.value
        terminal.print(f"{sign} {change.name}{number}{left}")
        for line in change.lines:
            terminal.print(f"    {line}")
    terminal.print(f"{same} of {len(changes)} monitors are as they should be.")


#: What the entry point ``rules apply`` finds.
APPLY = Command(
    summary="Put the alerts into Datadog as monitors, or show what that would change.",
    example="tidegauge rules apply datadog --filter env:prod --threshold HighLatency=0.8",
    arguments=_arguments,
    run=_run,
)
