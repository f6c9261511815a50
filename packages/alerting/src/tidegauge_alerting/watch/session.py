"""A watch that goes on until it is stopped, or looks once: what it says, and how it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from tidegauge.command import CommandError, Terminal

from tidegauge_alerting.alert_file import AlertFile
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.watch import judge
from tidegauge_alerting.watch.alerts import Change
from tidegauge_alerting.watch.notice import Notice
from tidegauge_alerting.watch.outbox import Outbox
from tidegauge_alerting.watch.scrape import Target
from tidegauge_alerting.watch.senders import sender
from tidegauge_alerting.watch.state_file import StateFiles
from tidegauge_alerting.watch.watcher import Watcher
from tidegauge_alerting.watch.words import moment

#: Exit statuses of a watch that looks once, beside 2 for what could not be done.
QUIET, FIRES = 0, 1

_SCRAPE_S = 10.0
# Within these, channels may finish what they do: who looks once waits for an answer.
_ONCE_S = 30.0
_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command line asks for."""

    targets: tuple[Target, ...]
    alerts: AlertFile
    interval_s: int
    once: bool
    dry_run: bool

    def channels_of(self, definition: AlertDefinition) -> tuple[str, ...]:
        """Return the names of the channels of an alert."""
        return tuple(each.name for each in self.alerts.channels_of(definition))


def run(plan: Plan, files: StateFiles | None, terminal: Terminal) -> int:
    """Watch until a signal comes, or once; return the exit status.

    Raises
    ------
    CommandError
        It was to look once, and no target has answered.
    """
    with contextlib.ExitStack() as stack:
        # What looks once is ended by a signal as any program: its state is written by then.
        stopped = threading.Event() if plan.once else stack.enter_context(_signals())
        return _run(plan, files, stopped, terminal)


def _run(plan: Plan, files: StateFiles | None, stopped: threading.Event, terminal: Terminal) -> int:
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


def _about(plan: Plan) -> Iterator[str]:
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


def _speaker(terminal: Terminal, plan: Plan) -> Callable[[Change | Notice], None]:
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
