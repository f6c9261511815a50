"""``tidegauge rules render``: the alerts as a file for the vendor's own tools."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_alerting import vendors
from tidegauge_alerting.alert_file import AlertFile, load
from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.folder import write_file
from tidegauge_alerting.measures import StabilityIndex
from tidegauge_alerting.sections import AlertFileError, nearest

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_Change = Callable[[AlertDefinition, float], AlertDefinition]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("vendor", choices=vendors.names(), help="whose rules to write")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to this file instead of the terminal; replaces only files that this wrote",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE whoever wrote it")
    add_choice(parser)


def add_file(parser: ArgumentParser) -> None:
    """Add the option that names a file of alerts."""
    parser.add_argument(
        "--alerts",
        metavar="FILE",
        help="a file that changes and adds alerts and says where they are sent "
        "(default: the definitions that come with the installed packages)",
    )


def in_force(path: str | None) -> AlertFile:
    """Return the alerts of a file that the command line names.

    Raises
    ------
    CommandError
        The file cannot be used; the message has a line for each mistake.
    """
    try:
        return load(None if path is None else Path(path))
    except AlertFileError as error:
        raise CommandError(str(error)) from error


def add_choice(parser: ArgumentParser) -> None:
    """Add the options that say which alerts are meant, and at which thresholds."""
    add_file(parser)
    parser.add_argument(
        "--severity",
        action="append",
        choices=[severity.value for severity in Severity],
        help="only alerts of this severity; may be repeated",
    )
    parser.add_argument(
        "--fleet",
        action="store_true",
        help="also record and alert on the drift of all replicas together, which need "
        "TIDEGAUGE_DRIFT_FLEET=true",
    )
    parser.add_argument(
        "--fleet-window",
        action="append",
        default=[],
        metavar="TIME",
        help="a window of --fleet, such as 30m, 1h or 1d; may be repeated (default: 1h and 1d)",
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another threshold for an alert; may be repeated",
    )
    parser.add_argument(
        "--minimum",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how many events or rows an alert needs; may be repeated",
    )
    parser.add_argument(
        "--runbook-url",
        metavar="URL",
        help="annotate each alert with this address; {name} in it becomes the alert's name",
    )


def _run(arguments: Namespace, terminal: Terminal) -> int:
    vendor = vendors.load(arguments.vendor)
    request = chosen(arguments, _command_line(arguments))
    written = vendor.render(request)
    if arguments.output is None:
        terminal.write(written.text)
    else:
        path = Path(arguments.output)
        _write(path, written.text, vendor.header, force=arguments.force)
        terminal.print(f"{path}: {written.number} alerts. {vendor.steps[0]}")
        for step in vendor.steps[1:]:
            terminal.print(step.replace("{file}", shlex.quote(str(path))))
    tell_left_out(written.left_out)
    return 0


def tell_left_out(left_out: Sequence[tuple[str, str]]) -> None:
    """Say which alerts a vendor cannot have, and why, beside the output."""
    for name, why in left_out:
        sys.stderr.write(f"{name} is left out: {why}.\n")


def chosen(arguments: Namespace, made_by: str) -> vendors.Request:
    """Return the alerts that the options of ``add_choice`` mean."""
    if arguments.fleet_window and not arguments.fleet:
        raise CommandError(
            f"--fleet-window: got {arguments.fleet_window[0]!r}; expected it beside --fleet. "
            "Add --fleet, or leave it out."
        )
    file = in_force(arguments.alerts)
    on, off = {each.name: each for each in file.alerts}, [each.name for each in file.off]
    if arguments.fleet:
        fleet = [each for each in file.off if isinstance(each.measure, StabilityIndex)]
        on |= {each.name: each for each in fleet}
    for each in _over(list(on.values()), arguments.fleet_window):
        on[each.name] = each
    _change(on, off, arguments.threshold, "--threshold", AlertDefinition.with_threshold)
    _change(on, off, arguments.minimum, "--minimum", AlertDefinition.with_minimum)
    wanted = arguments.severity or [severity.value for severity in Severity]
    return vendors.Request(
        definitions=[each for each in on.values() if each.severity.value in wanted],
        made_by=made_by,
        runbook_url=_runbook_url(arguments.runbook_url),
        channels={channel.name: channel for channel in file.channels},
        routes=file.routes,
    )


def _change(
    definitions: dict[str, AlertDefinition],
    off: Sequence[str],
    pairs: Sequence[str],
    option: str,
    change: _Change,
) -> None:
    for pair in pairs:
        name, separator, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            separator = ""
        if not separator:
            raise CommandError(
                f"{option}: got {pair!r}; expected NAME=VALUE with a number. "
                "For example: HighLatency=0.8."
            )
        if name not in definitions:
            hint = f"{name} is off: turn it on in the file of alerts, or by --fleet."
            raise CommandError(
                f"{option}: got {pair!r}; expected the name of an alert: {', '.join(definitions)}. "
                f"{hint if name in off else nearest(name, list(definitions))}"
            )
        try:
            definitions[name] = change(definitions[name], value)
        except ValueError as error:
            raise CommandError(str(error)) from error


def _over(
    definitions: Sequence[AlertDefinition], windows: Sequence[str]
) -> Sequence[AlertDefinition]:
    """Return the alerts over the windows that were asked for."""
    if not windows:
        return definitions
    found = [_seconds(text) for text in windows]
    try:
        return [
            dataclasses.replace(each, measure=each.measure.over(found))
            if isinstance(each.measure, StabilityIndex)
            else each
            for each in definitions
        ]
    except ValueError as error:
        raise CommandError(str(error)) from error


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if found is None:
        raise CommandError(
            f"--fleet-window: got {text!r}; expected a number and s, m, h or d. For example: 1h."
        )
    return int(found[1]) * _UNITS[found[2]]


def _runbook_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
        raise CommandError(
            f"--runbook-url: got {url!r}; expected an http or https address. "
            "For example: https://runbooks.example.com/{name}."
        )
    return url


def _command_line(arguments: Namespace) -> str:
    """Return the command line that makes the same file; where it goes is left out."""
    return shlex.join(["tidegauge", "rules", "render", str(arguments.vendor), *choice(arguments)])


def choice(arguments: Namespace) -> list[str]:
    """Return the options of ``add_choice`` as words of a command line."""
    words: list[str] = [] if arguments.alerts is None else ["--alerts", arguments.alerts]
    if arguments.fleet:
        words.append("--fleet")
    for option, values in (
        ("--fleet-window", arguments.fleet_window),
        ("--severity", arguments.severity or []),
        ("--threshold", arguments.threshold),
        ("--minimum", arguments.minimum),
        ("--runbook-url", [arguments.runbook_url] if arguments.runbook_url else []),
    ):
        for value in values:
            words += [option, value]
    return words


def _write(path: Path, text: str, header: str, *, force: bool) -> None:
    """Replace the file whole: Prometheus may reload while this runs."""
    try:
        if path.exists() and not force:
            with path.open(encoding="utf-8", errors="replace") as old:
                start = old.read(len(header))
            if start not in ("", header):
                raise CommandError(
                    f"{path}: got a file that this command did not write; expected a new file or "
                    "its own. Choose another name, or replace it with --force."
                )
        write_file(path, text)
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written ({error.strerror}). Choose a file in a folder that exists "
            "and that you may write to."
        ) from error


#: What the entry point ``rules render`` finds.
RENDER = Command(
    summary="Write the alert rules for Prometheus or another vendor.",
    example=(
        "tidegauge rules render prometheus -o tidegauge.rules.yml --threshold HighLatency=0.8"
    ),
    arguments=_arguments,
    run=_run,
)
