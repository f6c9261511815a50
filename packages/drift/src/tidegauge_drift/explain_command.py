"""``tidegauge explain``: why a model alarms now, from the status that its service leaves."""

from __future__ import annotations

import difflib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_drift.explanation import explain, summary
from tidegauge_drift.status_files import Found, folders, read_all
from tidegauge_drift.terminal_words import text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_HOW_TO = """\
A service writes its status seconds after the first rows, once it has a
reference (TIDEGAUGE_REFERENCE). Look
- on the host, or in the container, where the service runs, as the same user;
- for TIDEGAUGE_STATE_DIR in its environment: pass that folder by --state-dir;
- at its log: a line names the folder if it cannot be written.
`tidegauge doctor`, run where it runs, checks its environment."""


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="the model's name (default: list all models)")
    parser.add_argument("--version", help="only this version (default: all, the newest first)")
    parser.add_argument("--state-dir", metavar="DIR",
                        help="where the service leaves its status (default: "
                        "TIDEGAUGE_STATE_DIR, else the folders of temporary files)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the statuses as JSON")


def _run(arguments: Namespace, terminal: Terminal) -> int:
    places = folders(arguments.state_dir)
    found: list[Found] = []
    for each in read_all(places):
        if isinstance(each, Found):
            found.append(each)
        else:
            terminal.print(f"left out: {each}")
    found.sort(key=lambda each: -each.touched_s)
    chosen = [
        each
        for each in found
        if arguments.model in (None, each.status["model"])
        and arguments.version in (None, each.status["version"])
    ]
    if not chosen:
        return _nothing(arguments, places, found, terminal)
    now_s = time.time()
    if arguments.json:
        content = [
            {**each.status, "age_s": round(now_s - each.touched_s, 3), "file": str(each.path)}
            for each in chosen
        ]
        terminal.write(json.dumps(content, indent=2) + "\n")
        return 0
    for place, each in enumerate(chosen):
        try:
            lines = list(explain(each, now_s)) if arguments.model else [summary(each, now_s)]
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            lines = [f"left out: {each.path}: got fields of no status."]
        blank = "\n" if place and arguments.model else ""
        terminal.write(blank + "\n".join(lines).rstrip("\n") + "\n")
    return 0


def _nothing(
    arguments: Namespace, places: list[Path], found: list[Found], terminal: Terminal
) -> int:
    known = sorted({each.status["model"] for each in found})
    wanted = "a model" if arguments.model is None else repr(text(arguments.model))
    if arguments.model in known:
        versions = ", ".join(
            repr(text(each.status["version"])) for each in found
            if each.status["model"] == arguments.model
        )  # fmt: skip
        raise CommandError(
            f"--version: got {arguments.version!r} from the argument; expected one of {versions}."
        )
    terminal.print(f"There is no status of {wanted}. Looked in:")
    nowhere = ["no folder: none of those that services write to is there"]
    for line in [str(folder) for folder in places] or nowhere:
        terminal.print(f"  {line}")
    if known:
        near = [name for name in known if arguments.model in name]
        near += difflib.get_close_matches(arguments.model, known, n=1)
        hint = f" Did you mean {text(near[0])!r}?" if near else ""
        terminal.print(f"There are those of: {', '.join(map(text, known[:20]))}.{hint}")
    else:
        for line in _HOW_TO.splitlines():
            terminal.print(line)
    return 1


EXPLAIN = Command(
    summary="Say why a model's drift alarms now: features, bins that moved, causes, since when.",
    example="tidegauge explain fraud_detection --version 3",
    arguments=_arguments,
    run=_run,
)
