"""`tidegauge mute` and `tidegauge marker`: what they write, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tidegauge.batch import ModelKey
from tidegauge.command import CommandError
from tidegauge_drift import mark_file
from tidegauge_drift.marks import FILE, MUTE, Mark, dump, parse
from tidegauge_drift.status_files import file_name
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder

needs_root = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away"
)
WHY = ("--for", "2d", "--reason", "new supplier")


def mute(*arguments: str) -> Recorder:
    """Run the command."""
    return commands.run("mute", *arguments)


def refused(*arguments: str, command: str = "mute") -> str:
    """Return what the command says that it cannot do."""
    with pytest.raises(CommandError) as caught:
        commands.run(command, *arguments)
    return str(caught.value)


def marks(folder: Path) -> tuple[Mark, ...]:
    """Return what is in the folder."""
    return parse((folder / FILE).read_bytes())


def leave(folder: Path, model: str, version: str = "3", **more: Any) -> None:
    """Leave a status as a service does."""
    features = [{"feature": name} for name in ("amount", "country")]
    window = {"window": "1000rows", "features": features, "features_left_out": 0, **more}
    status = {
        "format": 1,
        "model": model,
        "version": version,
        "windows": [window, {"window": "1d"}],
    }
    folder.mkdir(exist_ok=True, parents=True)
    (folder / file_name(ModelKey(model, version))).write_text(json.dumps(status))


@pytest.fixture
def service(state: Path) -> Path:
    """Return the folder of a service with two models."""
    leave(state, "fraud")
    leave(state, "churn", "1")
    return state


def test_a_mute_is_written_with_who_why_and_how_long(service: Path) -> None:
    """Whoever is woken next reads it; the service, maybe of another user, can."""
    before_s = time.time()
    said = mute("fraud", *WHY)
    (mark,) = marks(service)

    assert (mark.kind, mark.model, mark.reason) == (MUTE, "fraud", "new supplier")
    assert mark.until_s - mark.since_s == 2 * 86_400
    assert before_s <= mark.since_s <= time.time()
    assert re.fullmatch(
        r"fraud: muted \(all\) until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n", said.text
    )
    assert (service / FILE).stat().st_mode & 0o777 == 0o644
    assert {FILE} == {path.name for path in service.iterdir() if "status" not in path.name}


def test_the_same_again_takes_its_place_and_others_stay(service: Path) -> None:
    """A mute is made longer by muting again."""
    mute("fraud", *WHY)
    mute("fraud", "--feature", "amount", "--feature", "country", "--window", "1d", *WHY)
    mute("fraud", "--for", "4h", "--reason", "again")

    assert [(mark.feature, mark.window, mark.reason) for mark in marks(service)] == [
        ("amount", "1d", "new supplier"), ("country", "1d", "new supplier"), ("", "", "again"),
    ]  # fmt: skip


def test_it_is_listed_and_ended(service: Path) -> None:
    """All of a model's, or those that are named."""
    mute("fraud", "--feature", "amount", *WHY)
    mute("fraud", "--feature", "country", *WHY)
    mute("churn", *WHY)
    listed = mute("--list").rows
    mute("fraud", "--end", "--feature", "country")
    after = mute("--list", "fraud").rows
    ended = mute("fraud", "--end")

    assert listed[0] == ["model", "kind", "what", "until", "because", "by"]
    assert [row[:3] for row in listed[1:]] == [
        ["churn", "mute", "all"], ["fraud", "mute", "feature amount"],
        ["fraud", "mute", "feature country"],
    ]  # fmt: skip
    assert [row[2] for row in after[1:]] == ["feature amount"]
    assert ended.text == "fraud: mute ended (feature amount)\n"
    assert mute("--list", "fraud").text == "Nothing is muted of fraud.\n"
    assert [mark.model for mark in marks(service)] == ["churn"]
    assert refused("fraud", "--end") == (
        "--end: got 'fraud' from the argument; expected a mute in force. --list shows what is."
    )


def test_a_deploy_ends_and_a_backfill_is_kept_for_the_windows_that_have_its_rows(
    service: Path,
) -> None:
    """Markers are in the same file."""
    commands.run("marker", "deploy", "fraud", "--version", "4", "--for", "1h")
    said = commands.run("marker", "backfill", "fraud", "--for", "3h", "--reason", "May again")
    assert said.text.startswith("fraud: backfill marked (all) until ")
    commands.run("marker", "deploy", "fraud", "--end")
    commands.run("marker", "backfill", "fraud", "--end")
    (kept,) = marks(service)

    assert (kept.kind, kept.reason) == ("backfill", "May again")
    assert kept.until_s <= time.time()
    assert commands.run("marker", "backfill", "--list").text == "Nothing is muted.\n"


def test_what_is_over_leaves_the_file(service: Path) -> None:
    """It does not grow for ever."""
    old = Mark(MUTE, "churn", 1.0, 2.0)
    (service / FILE).write_bytes(dump([old]))
    mute("fraud", *WHY)
    assert [mark.model for mark in marks(service)] == ["fraud"]


@needs_root
def test_all_services_of_a_model_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder is chosen each user's service has one of its own."""
    from tidegauge.configuration import CoreSettings
    from tidegauge.runtime import shared

    monkeypatch.setattr(shared, "settings", CoreSettings())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mine = f"fraud {tmp_path}"  # of no service that runs on this host
    folders = [tmp_path / f"tidegauge-{user}" / "state" for user in (1, 2, 3)]
    for user, folder, model in zip((1, 2, 3), folders, (mine, mine, "churn"), strict=True):
        leave(folder, model)
        for each in (folder.parent, folder):
            os.chown(each, user, -1)
    mute(mine, *WHY)

    assert [True, True, False] == [(folder / FILE).exists() for folder in folders]
    assert [1, 2] == [(folder / FILE).stat().st_uid for folder in folders[:2]]


@pytest.mark.parametrize("name", [FILE, "fraud.9.status.json"])
def test_a_pipe_in_a_files_place_is_not_waited_for(service: Path, name: str) -> None:
    """Any user of the host can have a folder that is looked into."""
    (service / name).unlink(missing_ok=True)
    os.mkfifo(service / name)
    if name == FILE:
        assert "got 'Invalid argument' from the file system" in refused("fraud", *WHY)
    else:
        mute("fraud", *WHY)
        assert ["fraud"] == [mark.model for mark in marks(service)]


@needs_root
def test_another_folder_put_in_its_place_is_left_alone(service: Path) -> None:
    """Whoever owns the folder can do that while root changes what is in it."""
    elsewhere = service.with_name("elsewhere")
    elsewhere.mkdir()
    os.chown(elsewhere, 4242, -1)

    def edit(_: tuple[Mark, ...]) -> list[Mark]:
        service.rename(service.with_name("before"))
        service.symlink_to(elsewhere)
        return [Mark(MUTE, "fraud", 1.0, 2.0)]

    mark_file.change(service, edit)
    assert [] == list(elsewhere.iterdir())
    [mark] = marks(service.with_name("before"))
    assert ("fraud", 0) == (mark.model, (service.with_name("before") / FILE).stat().st_uid)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("frued", *WHY), (
            "model: got 'frued' from the argument; expected one that a service here has: churn, "
            "fraud. Did you mean 'fraud'?"
        )),
        (("fraud", "--version", "4", *WHY), (
            "--version: got '4' from the argument; expected a version of fraud: 3."
        )),
        (("fraud", "--feature", "amont", *WHY), (
            "--feature: got 'amont' from the argument; expected a feature or output of the "
            "model: amount, country. Did you mean 'amount'?"
        )),
        (("fraud", "--window", "2d", *WHY), (
            "--window: got '2d' from the argument; expected a kind of window of the model: "
            "1000rows, 1d."
        )),
        (("fraud", "--for", "2 days", "--reason", "x"), (
            "--for: got '2 days' from the argument; expected a number and m, h, d or w, up to "
            "90d. For example: --for 2d."
        )),
        (("fraud", "--for", "91d", "--reason", "x"), (
            "--for: got '91d' from the argument; expected a number and m, h, d or w, up to 90d. "
            "For example: --for 2d."
        )),
        (("fraud", "--reason", "x"), (
            "--for: got nothing from the argument; expected a number and m, h, d or w, up to 90d. "
            "For example: --for 2d."
        )),
        (("fraud", "--for", "2d", "--reason", " \n"), (
            "--reason: got nothing from the argument; expected why it is muted, in at most 500 "
            "characters. For example: --reason 'new supplier, see OPS-12'."
        )),
        (("fraud", "--for", "2d", "--reason", "x" * 501), (
            "--reason: got 501 characters from the argument; expected why it is muted, in at most "
            "500 characters. For example: --reason 'new supplier, see OPS-12'."
        )),
        ((), (
            "model: got none from the arguments; expected the name of a model. --list shows what "
            "is in force, `tidegauge explain` which models there are."
        )),
    ],
)  # fmt: skip
def test_what_cannot_be_muted_is_one_clear_line(
    service: Path, words: tuple[str, ...], said: str
) -> None:
    """And nothing is written."""
    assert said == refused(*words)
    assert not (service / FILE).exists()


def test_without_a_service_it_says_where_it_looked(state: Path) -> None:
    """A mute that nobody reads would be a silent failure."""
    state.mkdir()
    assert refused("fraud", *WHY) == (
        "model: got 'fraud' from the argument; expected one that a service on this host has, with "
        f"a reference and rows. Looked in {state}: no status is there. Run it where the service "
        "runs, or pass its TIDEGAUGE_STATE_DIR by --state-dir."
    )
    assert refused("fraud", "--state-dir", "/nowhere", *WHY).startswith("--state-dir: got")


def test_a_feature_that_no_status_can_confirm_is_taken_and_said(state: Path) -> None:
    """A status lists a hundred features at most, and none before a window has closed."""
    leave(state, "wide", features_left_out=7)
    said = mute("wide", "--feature", "x7", *WHY)

    assert [mark.feature for mark in marks(state)] == ["x7"]
    assert said.lines[1:] == [
        "x7 is not in the 2 features that its status lists: look whether it is spelled right."
    ]


def test_a_service_that_has_stopped_is_said(service: Path) -> None:
    """It takes note when it runs again."""
    for path in service.glob("fraud*"):
        os.utime(path, (1, 1))
    assert "it takes note when it runs" in mute("fraud", *WHY).text


def test_a_broken_file_is_left_alone(service: Path) -> None:
    """Somebody's other mutes may be in it."""
    (service / FILE).write_text("{")
    assert refused("fraud", *WHY) == (
        f"{service / FILE}: got no complete list of marks; expected what `tidegauge mute` has "
        "written. Repair it, or remove it: its mutes end with it."
    )
    assert "{" == (service / FILE).read_text()


def test_a_folder_that_cannot_be_written(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says whose folder that is, and leaves nothing behind."""

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", denied)  # root can write anywhere
    assert refused("fraud", *WHY) == (
        f"TIDEGAUGE_STATE_DIR: got 'Permission denied' from {str(service)!r}; expected a folder "
        "that can be written. Run the command as the user of the service."
    )
    assert [] == [path.name for path in service.iterdir() if "mutes" in path.name]


def test_too_many_marks_are_refused(service: Path) -> None:
    """Who mutes a thousand things has lost count."""
    many = [Mark(MUTE, "fraud", 1.0, 4e9, feature=str(i)) for i in range(1000)]
    (service / FILE).write_bytes(dump(many))
    assert refused("churn", *WHY).startswith(f"{service / FILE}: got 1001 marks; expected at most")


def test_a_lock_that_is_never_let_go_is_said(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command does not hang for ever on another one."""
    import fcntl

    monkeypatch.setattr(mark_file, "_WAIT_S", 0.05)
    held = os.open(service, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert f"{service}: got a lock that another command" in refused("fraud", *WHY)
    finally:
        os.close(held)


def test_commands_at_once_lose_nothing(service: Path) -> None:
    """Real processes, each with a feature of its own, all started before the first has ended."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tidegauge_drift.mark_file import change\n"
        "from tidegauge_drift.marks import Mark, with_mark\n"
        "for i in range(20):\n"
        "    mark = Mark('mute', 'fraud', 1.0, 4e9, feature=f'{sys.argv[2]}.{i}')\n"
        "    change(Path(sys.argv[1]), lambda marks: with_mark(marks, mark))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(service), str(number)])
        for number in range(4)
    ]
    assert [0] * 4 == [process.wait(60) for process in running]

    expected = {f"{number}.{i}" for number in range(4) for i in range(20)}
    assert expected == {mark.feature for mark in marks(service)}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_root_leaves_a_file_to_the_services_user(service: Path) -> None:
    """Who mutes next may not be root."""
    os.chown(service, 12_345, 12_346)
    mute("fraud", *WHY)
    found = (service / FILE).stat()
    assert (12_345, 12_346) == (found.st_uid, found.st_gid)
