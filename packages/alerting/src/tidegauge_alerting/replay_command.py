"""``tidegauge rules check --replay``: changed alerts against the last days of a Prometheus."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING

from tidegauge.command import CommandError

from tidegauge_alerting import replay, server_options
from tidegauge_alerting.command import chosen
from tidegauge_alerting.definitions import by_name
from tidegauge_alerting.prometheus_api import ServerError
from tidegauge_alerting.replay_past import Outcome, Past, Span

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Sequence

    from tidegauge.command import Terminal

    from tidegauge_alerting.definitions import AlertDefinition
    from tidegauge_alerting.replay import Firing

_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S
_MOST_DAYS = 90
_MOST_STEP_S = 3_600
# Of one alert: the models about which it fires longest.
_MODELS = 20
# Of one question: a day of all series.
_TIMEOUT_S = 120.0


def add_options(parser: ArgumentParser) -> None:
    """Add the options of a replay."""
    parser.add_argument(
        "--replay",
        metavar="URL",
        help="say how often each alert would have fired, from what this Prometheus has",
    )
    parser.add_argument(
        "--days", type=int, default=7, help="how many days are replayed (default: %(default)s)"
    )
    parser.add_argument(
        "--step",
        type=int,
        default=60,
        metavar="SECONDS",
        help="the evaluation interval of the rules (default: %(default)s)",
    )
    server_options.add_credentials(parser)
    parser.add_argument(
        "--against",
        metavar="FILE",
        help="the alerts as they are now (default: those that come with the installed packages)",
    )


def run(
    arguments: Namespace,
    present: Sequence[AlertDefinition],
    changed: Sequence[AlertDefinition],
    terminal: Terminal,
    *,
    now_s: float | None = None,
) -> int:
    """Replay present and changed definitions, and print what differs; returns the exit status."""
    span = _span(arguments, time.time() if now_s is None else now_s)
    api = server_options.server("--replay", arguments.replay, arguments, timeout_s=_TIMEOUT_S)
    before, after = by_name(present), by_name(changed)
    names = list(dict.fromkeys((*before, *after)))
    past = Past(api, span)
    results: dict[str, tuple[Outcome, Outcome]] = {}
    try:
        for name in terminal.track(names, "replaying", len(names)):
            results[name] = (
                past.outcome(before.get(name)),
                past.outcome(after.get(name), before.get(name)),
            )
    except ServerError as error:
        raise CommandError(str(error)) from error
    days = f"{arguments.days} days" if arguments.days > 1 else "day"
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(span.last * span.step_s))
    terminal.table(
        f"The {days} to {until} UTC, evaluated every {span.step_s} s",
        ("alert", "model", "now", "changed", "difference"),
        [row for name, pair in results.items() for row in _rows(name, *pair)],
    )
    for line in _notes(results, past):
        terminal.print(line)
    return 0


def _rows(name: str, now: Outcome, changed: Outcome) -> Iterator[tuple[str, ...]]:
    models = {**now.firing, **changed.firing}
    if not models:
        yield (name, "", _cell(now, None), _cell(changed, None), "")
        return
    empty = replay.Firing()

    def weight(model: str) -> tuple[int, str]:
        pair = (now.firing.get(model, empty), changed.firing.get(model, empty))
        return (-max(each.seconds for each in pair), model)

    ordered = sorted(models, key=weight)
    for model in ordered[:_MODELS]:
        pair = (now.firing.get(model, empty), changed.firing.get(model, empty))
        known = all(each.there and not each.why_not for each in (now, changed))
        yield (
            name, _plain(model), _cell(now, pair[0]), _cell(changed, pair[1]),
            _difference(*pair) if known else "",
        )  # fmt: skip
    if len(ordered) > _MODELS:
        yield (name, f"{len(ordered) - _MODELS} more models", "", "", "")


def _cell(outcome: Outcome, firing: Firing | None) -> str:
    if not outcome.there:
        return "no such alert"
    if outcome.why_not:
        return "not known"
    if firing is None or not firing.times:
        return "never"
    times = "once" if firing.times == 1 else f"{firing.times} times"
    return f"{times}, {_hours(firing.seconds)}, said {firing.told}"


def _difference(now: Firing, changed: Firing) -> str:
    if now == changed:
        return "none"
    sign = "-" if changed.seconds < now.seconds else "+"
    longer = f"{sign}{_hours(abs(changed.seconds - now.seconds))}"
    return f"{changed.times - now.times:+d} times, {longer}, said {changed.told - now.told:+d}"


def _hours(seconds: int) -> str:
    if seconds < _HOUR_S:
        return f"{seconds / 60:g} min"
    return f"{seconds / _HOUR_S:.1f} h"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _notes(results: dict[str, tuple[Outcome, Outcome]], past: Past) -> Iterator[str]:
    for name, pair in results.items():
        for why in dict.fromkeys(each.why_not for each in pair if each.why_not):
            yield f"{name} is not replayed: {_plain(why)}."
    for name, hours in past.known():
        if 0 < hours < past.hours:
            yield f"{name} is there at {hours} of {past.hours} hours: before or between, nothing."


def _span(arguments: Namespace, now_s: float) -> Span:
    days, step_s = arguments.days, arguments.step
    if not 1 <= days <= _MOST_DAYS:
        raise CommandError(
            f"--days: got {days} from the argument; expected an integer in [1, {_MOST_DAYS}]. "
            "Leave it out for 7."
        )
    if not 1 <= step_s <= _MOST_STEP_S:
        raise CommandError(
            f"--step: got {step_s} from the argument; expected an integer in [1, {_MOST_STEP_S}]. "
            "Give Prometheus's evaluation_interval in seconds."
        )
    last = int(now_s // step_s)
    return Span(last - days * _DAY_S // step_s, last, step_s)


def replayed(arguments: Namespace, terminal: Terminal) -> int:
    """Replay the alerts that the options mean against those that are in force now."""
    unchanged = {"alerts": arguments.against, "threshold": [], "minimum": []}
    present = Namespace(**{**vars(arguments), **unchanged})
    return run(
        arguments, chosen(present, "").definitions, chosen(arguments, "").definitions, terminal
    )
