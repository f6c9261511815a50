"""``tidegauge alerts watch`` and ``tidegauge alerts test``: alerting without a backend."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tidegauge import state_folder
from tidegauge.command import Command, CommandError, Terminal

from tidegauge_alerting.alert_file import AlertFile
from tidegauge_alerting.command import add_file, in_force
from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.watch import judge
from tidegauge_alerting.watch.alerts import Change
from tidegauge_alerting.watch.notice import Item, Notice
from tidegauge_alerting.watch.outbox import Outbox
from tidegauge_alerting.watch.scrape import Target, target
from tidegauge_alerting.watch.senders import sender
from tidegauge_alerting.watch.state_file import StateError, StateFiles
from tidegauge_alerting.watch.transport import DeliveryError
from tidegauge_alerting.watch.watcher import Watcher
from tidegauge_alerting.watch.words import moment

#: Exit statuses of ``--once``, beside 2 for what could not be done.
QUIET, FIRES, FAILED = 0, 1, 2

_URL = "http://127.0.0.1:9464/metrics"
_UNITS = {"s": 1, "m": 60}
_LONGEST_INTERVAL_S = 150  # a value is good for 5 minutes: two scrapes must fit in
_SCRAPE_S = 10.0
# Within these, channels may finish what they do: --once waits for an answer, an end does not.
_ONCE_S = 30.0
_CLOSE_S = 2.0


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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a command line asks for."""

    targets: tuple[Target, ...]
    alerts: AlertFile
    interval_s: int
    once: bool
    dry_run: bool

    def channels_of(self, definition: AlertDefinition) -> tuple[str, ...]:
        """Return the names of the channels of an alert."""
        return tuple(each.name for each in self.alerts.channels_of(definition))


def _watch(arguments: Namespace, terminal: Terminal) -> int:
    plan = _Plan(
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
        # What looks once is ended by a signal as any program: its state is written by then.
        stopped = threading.Event() if plan.once else stack.enter_context(_signals())
        return _run(plan, files, stopped, terminal)


def _run(
    plan: _Plan, files: StateFiles | None, stopped: threading.Event, terminal: Terminal
) -> int:
    outboxes: dict[str, Outbox] = {}
    watcher = Watcher(
        plan.alerts.alerts,
        plan.targets,
        outboxes,
        plan.channels_of,
        timeout_s=min(_SCRAPE_S, plan.interval_s),
        files=files,
        say=_speaker(terminal, plan),
    )
    for channel in () if plan.dry_run else plan.alerts.channels:
        outboxes[channel.name] = Outbox(
            channel.name, sender(channel), watcher.save, ends=channel.send_resolved
        )
    for line in _about(plan):
        terminal.print(line)
    clock = _clock()
    watcher.restore(clock())
    for outbox in outboxes.values():
        outbox.start()
    try:
        if plan.once:
            return _once(watcher, outboxes, clock, terminal)
        _loop(watcher, clock, plan.interval_s, stopped)
    finally:
        watcher.close(clock(), _CLOSE_S)
    left = sum(len(outbox.waiting()) for outbox in outboxes.values())
    kept = "kept for the next run" if files is not None else "lost"
    number = f"{left} {'notice is' if left == 1 else 'notices are'}"
    terminal.print(f"Stopped.{f' {number} {kept}.' if left else ''}")
    return QUIET


def _loop(
    watcher: Watcher, clock: Callable[[], float], interval_s: int, stopped: threading.Event
) -> None:
    due_s = time.monotonic()
    while not stopped.is_set():
        watcher.round(clock())
        # A round that took longer than the interval is not made up for.
        due_s = max(due_s + interval_s, time.monotonic())
        stopped.wait(due_s - time.monotonic())


def _once(
    watcher: Watcher,
    outboxes: dict[str, Outbox],
    clock: Callable[[], float],
    terminal: Terminal,
) -> int:
    watcher.round(clock())
    deadline_s = time.monotonic() + _ONCE_S
    for outbox in outboxes.values():
        outbox.wait_empty(max(0.0, deadline_s - time.monotonic()))
    firing = watcher.alerts.firing()
    for alert in sorted(firing, key=lambda each: (each.name, each.labels)):
        terminal.print(_line("fires", alert.name, alert.labels, alert.fires_s or alert.since_s))
    early = watcher.not_yet_judged(clock())
    if early:
        terminal.print(
            f"Not judged yet, for want of older samples: {', '.join(early)}. "
            "Look again every minute, with the same --state."
        )
    if firing:
        return FIRES
    if len(watcher.scraper.failing) == len(watcher.scraper.targets):
        raise CommandError("no target answers: nothing could be judged. See the lines above.")
    terminal.print("Nothing fires.")
    return QUIET


def _about(plan: _Plan) -> Iterator[str]:
    judged = [each for each in plan.alerts.alerts if judge.can_judge(each)]
    names = ", ".join(channel.name for channel in plan.alerts.channels)
    where = (
        f"to {names}" if names else "to this terminal alone, for want of channels (--alerts FILE)"
    )
    if plan.dry_run:
        where += " (dry run: nothing is sent)"
    number = len(plan.targets)
    targets = f"{number} {'target' if number == 1 else 'targets'}"
    doing = (
        f"Looking at {targets}" if plan.once else f"Watching {targets} every {plan.interval_s} s"
    )
    yield f"{doing} for {len(judged)} alerts, {where}."
    left_out = [each.name for each in plan.alerts.alerts if not judge.can_judge(each)]
    if left_out:
        yield (
            f"Not judged here: {', '.join(left_out)}. They need the samples of days; "
            "Prometheus has them (tidegauge rules render prometheus)."
        )
    nowhere = [each.name for each in judged if not plan.channels_of(each)]
    if names and nowhere:
        yield f"Shown here alone, for want of a route: {', '.join(nowhere)}."


def _speaker(terminal: Terminal, plan: _Plan) -> Callable[[Change | Notice], None]:
    def say(what: Change | Notice) -> None:
        match what:
            case Change(alert=alert, fires=fires, at_s=at_s):
                if not (fires and plan.once):  # all that fires is shown at the end
                    state = "fires" if fires else "ended"
                    terminal.print(_line(state, alert.name, alert.labels, at_s))
            case Notice() if plan.dry_run:
                terminal.print(f"would send: {what.title}")

    return say


def _line(what: str, name: str, labels: Sequence[tuple[str, str]], at_s: float) -> str:
    shown = ", ".join(f"{key}={value!r}" for key, value in labels)
    return f"{moment(at_s)} {what} {name} {shown}".rstrip()


def _clock() -> Callable[[], float]:
    """Return a clock in Unix seconds that never goes back, whoever sets the host's."""
    apart_s = time.time() - time.monotonic()
    return lambda: time.monotonic() + apart_s


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into an event; a second one ends the process as it would have."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _: FrameType | None) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
                f"--url: got {each.url!r} twice; expected each target once. Leave one out."
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
