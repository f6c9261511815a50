"""``tidegauge alerts watch`` and ``tidegauge alerts test``: alerting without a backend."""

from __future__ import annotations

import contextlib
import re
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from tidegauge import state_folder
from tidegauge.command import Command, CommandError, Terminal
from tidegauge.settings import without_user

from tidegauge_alerting.command import add_file, in_force
from tidegauge_alerting.definitions import Severity
from tidegauge_alerting.watch.notice import Item, Notice
from tidegauge_alerting.watch.scrape import Target, target
from tidegauge_alerting.watch.senders import sender
from tidegauge_alerting.watch.session import QUIET, Plan, run
from tidegauge_alerting.watch.state_file import StateError, StateFiles
from tidegauge_alerting.watch.transport import DeliveryError

_URL = "http://127.0.0.1:9464/metrics"
_UNITS = {"s": 1, "m": 60}
_LONGEST_INTERVAL_S = 150  # a value is good for 5 minutes: two scrapes must fit in


def _watch_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        action="append",
        metavar="URL",
        help=f"a service's metrics; may be repeated (default: {_URL})",
    )
    add_file(parser)
    parser.add_argument(
        "--interval",
        default="15s",
        metavar="TIME",
        help=f"how often to look, 1s to {_LONGEST_INTERVAL_S}s (default: 15s)",
    )
    parser.add_argument(
        "--state",
        metavar="DIR",
        help="where to keep what must survive a restart (default: TIDEGAUGE_STATE_DIR, else a "
        "folder of this user's)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="look once, wait for what is sent, and end: status 1 where an alert fires, 0 where "
        "none does, 2 where no target answers; for cron, every minute",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be sent; send and keep nothing"
    )


def _watch(arguments: Namespace, terminal: Terminal) -> int:
    plan = Plan(
        _targets(arguments.url or [_URL]),
        in_force(arguments.alerts),
        _seconds(arguments.interval),
        arguments.once,
        arguments.dry_run,
    )
    folder = None if plan.dry_run else _folder(arguments.state)
    with contextlib.ExitStack() as stack:
        try:
            files = None if folder is None else stack.enter_context(StateFiles(folder))
        except StateError as error:
            raise CommandError(str(error)) from error
        return run(plan, files, terminal)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,4})([sm])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found is not None else 0
    if not 1 <= seconds <= _LONGEST_INTERVAL_S:
        raise CommandError(
            f"--interval: got {text!r}; expected 1s to {_LONGEST_INTERVAL_S}s. For example: 15s."
        )
    return seconds


def _targets(urls: Sequence[str]) -> tuple[Target, ...]:
    try:
        found = tuple(target(url) for url in urls)
    except ValueError as error:
        raise CommandError(str(error)) from error
    for each in found:
        if [other.labels for other in found].count(each.labels) > 1:
            raise CommandError(
                f"--url: got {without_user(each.url)!r} twice; expected each target once. "
                "Leave one out."
            )
    return found


def _folder(state: str | None) -> Path | None:
    if state is not None:
        return Path(state)
    try:
        return state_folder.made()
    except state_folder.StateFolderError as error:
        raise CommandError(str(error)) from error


def _test_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("channel", metavar="CHANNEL", help="the channel's name in the file")
    add_file(parser)


def _test(arguments: Namespace, terminal: Terminal) -> int:
    alerts = in_force(arguments.alerts)
    channels = {channel.name: channel for channel in alerts.channels}
    channel = channels.get(arguments.channel)
    if channel is None:
        known = ", ".join(channels) or "none: the file has no channels"
        raise CommandError(
            f"channel: got {arguments.channel!r}; expected one of {known}. Correct the name."
        )
    send = sender(channel)
    now_s = time.time()
    try:
        send(_example(now_s, None))
        if channel.kind == "pagerduty":  # an incident that nobody has to close
            send(_example(now_s, now_s))
    except DeliveryError as error:
        raise CommandError(
            f"{channel.name}: got {error}; expected it to take a test notice. Correct the "
            "channel's address or secret."
        ) from error
    terminal.print(f"{channel.name}: took a test notice.")
    return QUIET


def _example(now_s: float, ends_s: float | None) -> Notice:
    name = "TidegaugeTest"
    item = Item(
        {"alertname": name, "severity": Severity.INFO.value},
        now_s,
        ends_s,
        "A test of this channel",
        "Somebody has run tidegauge alerts test. Nothing is wrong, and there is nothing to do.",
    )
    return Notice(name, {}, Severity.INFO, now_s, (item,))


#: What the entry point ``alerts watch`` finds.
WATCH = Command(
    summary="Watch services' metrics and send alerts, without Prometheus or any other backend.",
    example="tidegauge alerts watch --alerts tidegauge-alerts.yaml --interval 30s",
    arguments=_watch_arguments,
    run=_watch,
)

#: What the entry point ``alerts test`` finds.
TEST = Command(
    summary="Send a test notice to one channel of the alerts' file.",
    example="tidegauge alerts test oncall --alerts tidegauge-alerts.yaml",
    arguments=_test_arguments,
    run=_test,
)
