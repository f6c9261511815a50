"""``tidegauge mute`` and ``tidegauge marker``: what people say of a model for a while."""

from __future__ import annotations

import getpass
import re
import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_drift import mark_file, mark_targets, mark_words
from tidegauge_drift.explanation import OLD_S
from tidegauge_drift.marks import (
    BACKFILL,
    DEPLOY,
    LONGEST_REASON,
    MUTE,
    Mark,
    with_mark,
    without_old,
)
from tidegauge_drift.status_files import folders
from tidegauge_drift.terminal_words import duration, moment, text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from tidegauge_drift.status_files import Found

    # Kind, model, version, features, window.
    _Chosen: TypeAlias = tuple[str, str, str, Sequence[str], str]

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
# What nobody has looked at for a quarter should come back.
_LONGEST_S = 90 * 86_400


def _common(parser: ArgumentParser) -> None:
    parser.add_argument("--for", dest="length", metavar="TIME",
                        help="how long, such as 30m, 4h, 2d or 1w, up to 90d")  # fmt: skip
    parser.add_argument("--reason", help="why; shown wherever it matters")
    parser.add_argument("--end", action="store_true", help="end it now")
    parser.add_argument("--list", action="store_true", help="list what is in force")
    parser.add_argument("--state-dir", metavar="DIR",
                        help="where the service leaves its status (default: "
                        "TIDEGAUGE_STATE_DIR, else the folders of temporary files)")  # fmt: skip


def _of_mute(parser: ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="the model's name")
    parser.add_argument("--version", default="", help="only this version (default: all)")
    parser.add_argument("--feature", action="append", default=[], metavar="F",
                        help="only this feature or output; may be repeated")  # fmt: skip
    parser.add_argument("--window", default="", metavar="W",
                        help="only this kind of window, such as 1d")  # fmt: skip
    _common(parser)


def _of_marker(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=(DEPLOY, BACKFILL),
                        help="deploy: shown on dashboards; backfill: mutes drift")  # fmt: skip
    parser.add_argument("model", nargs="?", help="the model's name")
    parser.add_argument("--version", default="",
                        help="the version that goes live; of a backfill only this one")  # fmt: skip
    _common(parser)


def _mute(arguments: Namespace, terminal: Terminal) -> int:
    return _run(arguments, terminal, MUTE, arguments.feature or [""], arguments.window)


def _marker(arguments: Namespace, terminal: Terminal) -> int:
    return _run(arguments, terminal, arguments.kind, [""], "")


def _run(
    arguments: Namespace, terminal: Terminal, kind: str, features: Sequence[str], window: str
) -> int:
    places, now_s = folders(arguments.state_dir), time.time()
    if arguments.list:
        return _list(arguments.model, places, terminal, now_s)
    model = arguments.model
    if model is None:
        raise CommandError(
            "model: got none from the arguments; expected the name of a model. "
            "--list shows what is in force, `tidegauge explain` which models there are."
        )
    if arguments.end:
        chosen = (kind, model, arguments.version, features, window)
        return _end(chosen, places, terminal, now_s)
    length_s, reason = _length(arguments.length), _reason(arguments.reason, kind)
    named = "" if kind == DEPLOY else arguments.version  # it goes live only now
    found = mark_targets.statuses(model, named, places)
    said = mark_targets.check(found, filter(None, features), window)
    new = [
        Mark(kind, model, now_s, now_s + length_s, arguments.version, feature, window, reason,
             _user())
        for feature in features
    ]  # fmt: skip
    for folder in dict.fromkeys(each.path.parent for each in found):
        mark_file.change(folder, partial(_with, new=new, now_s=now_s))
    for mark in new:
        done = "muted" if kind == MUTE else f"{kind} marked"
        what = mark_words.subject(asdict(mark))
        until = moment(mark.until_s, now_s)
        terminal.print(f"{text(model)}: {done}{f' ({what})' if what else ''} until {until} UTC")
    for line in said:
        terminal.print(line)
    _say_old(found, terminal, now_s)
    return 0


def _with(marks: tuple[Mark, ...], new: Sequence[Mark], now_s: float) -> list[Mark]:
    kept = without_old(marks, now_s)
    for mark in new:
        kept = with_mark(kept, mark)
    return kept


def _end(chosen: _Chosen, places: Sequence[Path], terminal: Terminal, now_s: float) -> int:
    kind, model, version, features, window = chosen
    ended: list[Mark] = []

    def is_meant(mark: Mark) -> bool:
        return (
            (mark.kind, mark.model) == (kind, model)
            and not mark.is_over(now_s)
            and version in ("", mark.version)
            and (features == [""] or mark.feature in features)
            and window in ("", mark.window)
        )

    def edit(marks: tuple[Mark, ...]) -> list[Mark]:
        meant = [mark for mark in marks if is_meant(mark)]
        ended.extend(meant)
        # Windows still have rows of a backfill that has ended.
        over = [replace(mark, until_s=now_s) for mark in meant if kind == BACKFILL]
        return without_old([*(mark for mark in marks if mark not in meant), *over], now_s)

    for folder in places:
        if any(is_meant(mark) for mark in mark_file.read(folder)):
            mark_file.change(folder, edit)
    for mark in ended:
        what = mark_words.subject(asdict(mark))
        terminal.print(f"{text(mark.model)}: {kind} ended{f' ({what})' if what else ''}")
    if not ended:
        raise CommandError(
            f"--end: got {model!r} from the argument; expected a {kind} in force. "
            "--list shows what is."
        )
    return 0


def _list(model: str | None, places: Sequence[Path], terminal: Terminal, now_s: float) -> int:
    marks = [
        mark
        for folder in places
        for mark in mark_file.read(folder)
        if model in (None, mark.model) and not mark.is_over(now_s)
    ]
    if not marks:
        terminal.print(f"Nothing is muted{'' if model is None else f' of {text(model)}'}.")
        return 0
    rows = [
        (text(mark.model), mark.kind, mark_words.subject(asdict(mark)),
         f"{moment(mark.until_s, now_s)} UTC", text(mark.reason), text(mark.by))
        for mark in sorted(marks, key=lambda mark: (mark.model, mark.until_s))
    ]  # fmt: skip
    terminal.table("In force", ("model", "kind", "what", "until", "because", "by"), rows)
    return 0


def _say_old(found: Sequence[Found], terminal: Terminal, now_s: float) -> None:
    age_s = now_s - max(each.touched_s for each in found)
    if age_s > OLD_S:
        terminal.print(
            f"Its service said the last word {duration(age_s)} ago: it takes note when it runs."
        )


def _length(given: str | None) -> int:
    found = re.fullmatch(r"([1-9]\d{0,4})([mhdw])", given or "")
    length_s = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < length_s <= _LONGEST_S:
        got = "nothing" if given is None else repr(given)
        raise CommandError(
            f"--for: got {got} from the argument; expected a number and m, h, d or w, up to 90d. "
            "For example: --for 2d."
        )
    return length_s


def _reason(given: str | None, kind: str) -> str:
    reason = " ".join((given or "").split())
    if (kind == MUTE and not reason) or len(reason) > LONGEST_REASON:
        got = f"{len(reason)} characters" if reason else "nothing"
        raise CommandError(
            f"--reason: got {got} from the argument; expected why it is muted, in at most "
            f"{LONGEST_REASON} characters. For example: --reason 'new supplier, see OPS-12'."
        )
    return reason


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


MUTE_COMMAND = Command(
    summary="Mute a model's drift, or some of it, for a while; --end unmutes, --list shows.",
    example="tidegauge mute fraud_detection --feature amount --for 2d --reason 'new supplier'",
    arguments=_of_mute,
    run=_mute,
)
MARKER_COMMAND = Command(
    summary="Mark a deploy for dashboards, or a backfill, which mutes drift while it lasts.",
    example="tidegauge marker backfill fraud_detection --for 3h --reason 'orders of May again'",
    arguments=_of_marker,
    run=_marker,
)
