"""The ``tidegauge`` command as a person, a script and a pipe see it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console
from tidegauge_distro.cli.catalogue import Catalogue
from tidegauge_distro.cli.program import main
from tidegauge_distro.cli.terminal import RichTerminal, plain_table

Run = Callable[..., subprocess.CompletedProcess[str]]
Environment = Callable[..., dict[str, str]]
LIMIT_S = 60.0
SCRIPTS = Path(sysconfig.get_path("scripts"))

Plugin = Callable[[str, str, str], dict[str, str]]

COMMANDS = """
import time
from tidegauge.command import Command, CommandError


def nothing(parser):
    parser.add_argument("--times", type=int, default=1)

def greet(arguments, terminal):
    terminal.print("[hello] " * arguments.times)
    return 3

def fail(arguments, terminal):
    raise CommandError("the tide table: got 'x' from the file;\\nexpected a number. Correct it.")

def wait(arguments, terminal):
    print("waiting", flush=True)
    time.sleep(60)
    return 0

def flood(arguments, terminal):
    for _ in range(100_000):
        terminal.write("wave\\n")
    return 0

def track(arguments, terminal):
    terminal.table("Tides", ("port", "height"), [("Brest", "6.1"), ("Saint-Malo", "12.2")])
    return sum(terminal.track([1, 2], "counting"))

GREET = Command("Say hello.", "tidegauge harbour greet --times 2", nothing, greet)
FAIL = Command("Fail.", "tidegauge harbour fail", nothing, fail)
WAIT = Command("Wait.", "tidegauge wait", nothing, wait)
FLOOD = Command("Write much.", "tidegauge flood", nothing, flood)
TRACK = Command("Count.", "tidegauge track", nothing, track)
NONE = None
"""
ENTRY_POINTS = """[tidegauge_command]
harbour greet = harbour:GREET
harbour fail = harbour:FAIL
wait = harbour:WAIT
flood = harbour:FLOOD
track = harbour:TRACK
sunken = sunken.wreck:COMMAND
wrong = harbour:NONE
"""


@pytest.fixture
def harbour(plugin: Plugin) -> dict[str, str]:
    """Install a few commands, two of which cannot be loaded."""
    return plugin("harbour", COMMANDS, ENTRY_POINTS)


def test_help_lists_all_commands_and_names_broken_ones(
    tidegauge: Run, harbour: dict[str, str]
) -> None:
    """A plugin that cannot be imported is one line on stderr; the others are listed."""
    done = tidegauge("--help", **harbour)
    assert done.returncode == 0
    # As wide as the longest name of a command that is installed.
    assert re.search(r"^  harbour greet +Say hello\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^  doctor  ", done.stdout, re.MULTILINE)
    assert "sunken" not in done.stdout
    assert done.stderr.splitlines() == [
        (
            "tidegauge: the command 'sunken' cannot be loaded: sunken.wreck:COMMAND: "
            "ModuleNotFoundError: No module named 'sunken'."
        ),
        (
            "tidegauge: the command 'wrong' cannot be loaded: harbour:NONE: is a NoneType, not a "
            "Command."
        ),
    ]


def test_without_a_command_help_is_shown(tidegauge: Run) -> None:
    """Who types the name alone wants to know what there is."""
    assert tidegauge("--help").stdout == tidegauge().stdout


def test_the_version_is_shown(tidegauge: Run) -> None:
    """The version is that of the core."""
    assert f"tidegauge {version('tidegauge')}\n" == tidegauge("--version").stdout


def test_a_command_of_two_words_runs_and_returns_its_status(
    tidegauge: Run, harbour: dict[str, str]
) -> None:
    """Options are the command's, its status is the process's, brackets are no markup."""
    done = tidegauge("harbour", "greet", "--times", "2", **harbour)
    assert (done.returncode, done.stdout) == (3, "[hello] [hello] \n")


def test_a_broken_command_says_why(tidegauge: Run, harbour: dict[str, str]) -> None:
    """One line with what to do, no traceback."""
    done = tidegauge("sunken", **harbour)
    assert done.returncode == 2
    assert done.stderr.endswith("No module named 'sunken'. Repair or reinstall its package.\n")
    assert len(done.stderr.splitlines()) == 1


def test_every_help_has_a_real_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of each installed command stands at the end of its help."""
    names = Catalogue().names()
    assert {"doctor", "demo"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit) as ended:
            main([*name.split(), "--help"])
        assert not ended.value.code
        example = capsys.readouterr().out.split("example:\n")[1]
        assert f"tidegauge {name}" in example


HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b2J\u202egnp\ud800\r"
HARMLESS = "a?]0;title??[2J?2J?gnp??"


def test_what_data_holds_is_shown_and_not_obeyed() -> None:
    """A category that holds an escape sequence would clear the screen, or type for its reader."""
    terminal, out = RichTerminal(), io.StringIO()
    terminal.console = Console(file=out, force_terminal=True, width=200, color_system=None)
    terminal.print(f"{HOSTILE}\n\tb")
    terminal.table(HOSTILE, [HOSTILE], [[f"{HOSTILE}\nforged"]])
    found = re.sub(r"\x1b\[[01;3]*m", "", out.getvalue())  # rich's own: bold, italic
    assert found.startswith(f"{HARMLESS}\n        b\n")
    assert 4 == found.count(HARMLESS)
    assert f"{HARMLESS} forged" in found
    assert not set(found) & set("\x1b\x07\x9b\u202e\ud800\r")


def test_what_data_holds_is_no_line_of_its_own() -> None:
    """A table in a pipe has one row a line, whatever stands in a cell."""
    assert plain_table(HOSTILE, ["x"], [["b\nc"]]) == f"{HARMLESS}\nx\nb c\n"


def test_an_error_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a file may hold anything."""
    assert main(["reference", "show", "\x1b[2J.reference.json"]) == 2
    assert "tidegauge reference show: ?[2J.reference.json: got" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("docter",), "doctor"),
        (("docter", "--json"), "doctor"),
        (("harbour", "gret"), "harbour greet"),
        (("harbuor",), "harbour"),
        (("zzz",), None),
    ],
)
def test_an_unknown_command_names_the_nearest(
    tidegauge: Run, harbour: dict[str, str], typed: tuple[str, ...], meant: str | None
) -> None:
    """A typing error gets the name that was meant, where one is near."""
    done = tidegauge(*typed, **harbour)
    assert done.returncode == 2
    hint = f"Did you mean `tidegauge {meant}`?" if meant else "`tidegauge --help` lists them."
    words = typed[:1] if typed[-1].startswith("-") else typed
    assert f"tidegauge: there is no command {' '.join(words)!r}. {hint}\n" == done.stderr


def test_the_first_word_of_two_lists_its_commands(tidegauge: Run, harbour: dict[str, str]) -> None:
    """``tidegauge harbour`` shows what there is under that word."""
    done = tidegauge("harbour", "--help", **harbour)
    assert done.returncode == 0
    assert "  harbour fail   Fail.\n  harbour greet  Say hello.\n" in done.stdout
    assert tidegauge("harbour", **harbour).returncode == 2


def test_an_error_that_the_user_can_put_right_is_one_line(
    tidegauge: Run, harbour: dict[str, str]
) -> None:
    """The message has the command's name before it, and no traceback after it."""
    done = tidegauge("harbour", "fail", **harbour)
    assert done.returncode == 2
    assert done.stderr == (
        "tidegauge harbour fail: the tide table: got 'x' from the file; expected a number. "
        "Correct it.\n"
    )


def test_in_a_pipe_tables_are_plain_and_progress_is_silent(
    tidegauge: Run, harbour: dict[str, str]
) -> None:
    """No colours, no boxes, no bars where nobody watches."""
    done = tidegauge("track", **harbour)
    expected = "Tides\nport        height\nBrest       6.1\nSaint-Malo  12.2\n"
    assert (3, expected, "") == (done.returncode, done.stdout, done.stderr)


def test_a_table_without_rows_has_its_head() -> None:
    """No rows is no fault."""
    assert plain_table("Tides", ("port", "height"), []) == "Tides\nport  height\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_with_130_and_no_traceback(
    harbour: dict[str, str], environment: Environment
) -> None:
    """An interrupted command is no failure that needs a trace."""
    process = subprocess.Popen(
        [SCRIPTS / "tidegauge", "wait"],
        env=environment(**harbour),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (130, "")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_fault(
    harbour: dict[str, str], environment: Environment
) -> None:
    """``tidegauge ... | head`` leaves nothing on stderr."""
    process = subprocess.Popen(
        [SCRIPTS / "tidegauge", "flood"],
        env=environment(**harbour),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "wave\n"
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(LIMIT_S), err) == (141, "")
