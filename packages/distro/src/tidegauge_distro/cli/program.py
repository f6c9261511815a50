"""Reads the command line, runs one sub-command, and turns what goes wrong into one clear line."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib.metadata import version

from tidegauge.command import Command, CommandError
from tidegauge.settings import SettingError

from tidegauge_distro.cli.catalogue import Broken, Catalogue
from tidegauge_distro.cli.terminal import RichTerminal, shown

OK = 0
FAILED = 2
# As a shell reports a program that SIGINT or SIGPIPE ended.
INTERRUPTED = 130
BROKEN_PIPE = 141

_ABOUT = "Watch machine-learning models in production, by OpenTelemetry."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the ``tidegauge`` command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(words, Catalogue())
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (head, less). Python would complain once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def _run(words: Sequence[str], catalogue: Catalogue) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        _overview(catalogue, catalogue.names(), "tidegauge", _ABOUT)
        return OK
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"tidegauge {version('tidegauge')}\n")
        return OK
    matched = catalogue.match(words)
    if matched is None:
        return _no_match(words, catalogue)
    name, rest = matched
    command = catalogue.load(name)
    if isinstance(command, Broken):
        _complain(f"{_describe(command)} Repair or reinstall its package.")
        return FAILED
    return _execute(name, command, rest)


def _execute(name: str, command: Command, rest: Sequence[str]) -> int:
    parser = ArgumentParser(
        prog=f"tidegauge {name}",
        description=command.summary,
        epilog=f"example:\n  {command.example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.arguments(parser)
    namespace = parser.parse_args(rest)
    try:
        return command.run(namespace, RichTerminal())
    except (CommandError, SettingError) as error:
        _complain(f"tidegauge {name}: {error}")
        return FAILED


def _no_match(words: Sequence[str], catalogue: Catalogue) -> int:
    group = catalogue.within(words[0])
    if group and (len(words) == 1 or words[1] in ("-h", "--help")):
        _overview(catalogue, group, f"tidegauge {words[0]}", f"The commands of {words[0]}.")
        return OK if len(words) > 1 else FAILED
    near = catalogue.nearest(words)
    hint = f" Did you mean `tidegauge {near}`?" if near else " `tidegauge --help` lists them."
    typed = " ".join(words[:2] if group else words[:1])
    _complain(f"tidegauge: there is no command {typed!r}.{hint}")
    return FAILED


def _overview(catalogue: Catalogue, names: Sequence[str], prog: str, about: str) -> None:
    parser = ArgumentParser(
        prog=prog,
        usage=f"{prog} COMMAND [OPTION ...]",
        description=about,
        formatter_class=RawDescriptionHelpFormatter,
        add_help=False,
    )
    found = {name: catalogue.load(name) for name in names}
    width = max((len(name) for name in names), default=0)
    lines = [
        f"  {name.ljust(width)}  {command.summary}"
        for name, command in found.items()
        if isinstance(command, Command)
    ]
    parser.epilog = "\n".join(
        ["commands:", *lines, "", "`tidegauge COMMAND --help` shows a real example of each."]
    )
    options = parser.add_argument_group("options")
    options.add_argument("-h", "--help", action="store_true", help="show this and exit")
    if prog == "tidegauge":
        options.add_argument("-V", "--version", action="store_true", help="show the version")
    options.add_argument("command", nargs="?", help=SUPPRESS)
    sys.stdout.write(parser.format_help())
    for command in found.values():
        if isinstance(command, Broken):
            _complain(_describe(command))


def _describe(broken: Broken) -> str:
    return f"tidegauge: the command {broken.name!r} cannot be loaded: {broken.reason}."


def _complain(message: str) -> None:
    sys.stderr.write(shown(" ".join(message.split())) + "\n")
