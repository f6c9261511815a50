"""Whole processes: what they predict is in profiles, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tidegauge_testkit.backends.process import wait_until

pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")

from tidegauge_testkit.whylabs_platform import KEY, Reply, WhylabsPlatform
from whylogs.core import DatasetProfileView

LIMIT_S = 200.0
NOBODY = "there is no OpenTelemetry MeterProvider to export them"
SHORT_JOB = """
import os, signal, sys, time, warnings
warnings.simplefilter("ignore")
# whylogs does without them, and is loaded in a fifth of the time.
for name in ("pandas", "sklearn", "scipy"):
    sys.modules[name] = None
import tidegauge
from tidegauge import pipeline

def predict(rows, model=tidegauge.Model("fraud model", version="3")):
    for value in range(rows):
        with model.prediction({"amount": float(value), "country": "de"}) as prediction:
            prediction.output = value / 10

"""
JOB = (
    SHORT_JOB
    + """
from pathlib import Path
from tidegauge_exporter_whylabs import background, load_whylogs
load_whylogs()

def wait_for(pattern):
    while not list(Path(os.environ["TIDEGAUGE_WHYLABS_DIR"]).glob(pattern)):
        time.sleep(0.02)
"""
)
# As configure() and opentelemetry-instrument do.
CONFIGURE = "pipeline.current().processors()\n"
# The import takes until it is let go: for ever, or until the process begins to end.
HANG = """
import importlib.abc, threading
from importlib.machinery import PathFinder
go = threading.Event()

class Hang(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "whylogs.core":
            spec = PathFinder.find_spec(name, path)
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (go.wait(), execute(module))
            return spec

sys.meta_path.insert(0, Hang())
"""
AT_THE_END = """
from tidegauge import leave
from tidegauge_exporter_whylabs.sketches import are_loaded
leave.before_exit.insert(0, lambda: print(are_loaded(), end=" "))
leave.before_exit.insert(1, go.set)
leave.before_exit.append(lambda: print(are_loaded()))
"""

INTERVAL_OVER = """
now = [1_795_089_600.0]
tidegauge.runtime.shared.clock = lambda: now[0]
predict(10)
pipeline.flush()
now[0] += 3606
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a job that writes profiles."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "TIDEGAUGE_", "WHYL"))
    }
    return {
        **inherited,
        "TIDEGAUGE_WHYLABS_WRITER": "local",
        "TIDEGAUGE_WHYLABS_DIR": str(folder),
        "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "60",
        **more,
    }


def run(code: str, folder: Path, job: str = JOB, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a job to its end."""
    return subprocess.run(
        [sys.executable, "-c", job + code], env=environment(folder, **more), timeout=LIMIT_S,
        capture_output=True, text=True, check=False, cwd=folder.parent,
    )  # fmt: skip


def rows(folder: Path, name: str = "amount") -> dict[str, int]:
    """Return how many rows each profile in a folder has."""
    return {path.name: counted(view(path), name) for path in sorted(folder.glob("*.bin"))}


def view(path: Path) -> Any:
    """Read a profile with whylogs."""
    return DatasetProfileView.deserialize(path.read_bytes())


def counted(read: Any, name: str = "amount") -> int:
    """Return how many rows a column has."""
    return int(read.get_column(name).get_metric("counts").n.value)


def test_a_job_leaves_its_profile(folder: Path) -> None:
    """All of its rows, features and outputs, in a file that whylogs reads; nothing else is left.

    whylogs was told before its import not to phone home.
    """
    found = run("predict(300)\nprint(os.environ['WHYLOGS_NO_ANALYTICS'])", folder)
    assert (0, "true\n") == (found.returncode, found.stdout)
    assert [] == [line for line in found.stderr.splitlines() if NOBODY not in line]
    (path,) = folder.glob("*.bin")
    assert not {" ", ":"} & set(path.name)
    read = view(path)
    assert {"amount", "country", "output"} == set(read.get_columns())
    assert [300] * 3 == [c.get_metric("counts").n.value for c in read.get_columns().values()]
    assert "fraud model" == read.metadata["tidegauge.model"]
    assert ["waiting"] == [path.name for path in (folder / ".spool").iterdir()]
    assert [] == list((folder / ".spool" / "waiting").iterdir())


def test_a_job_that_ends_before_whylogs_is_loaded_waits_for_it(folder: Path) -> None:
    """It has predicted for some milliseconds, and its profile has all of its rows."""
    code = HANG + CONFIGURE + "predict(300)\n" + AT_THE_END
    found = run(code, folder, SHORT_JOB, TIDEGAUGE_WHYLABS_LOAD_TIMEOUT_S="60")
    assert (0, "False True\n") == (found.returncode, found.stdout)
    assert [300] == list(rows(folder).values())


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_who_may_not_wait_says_what_is_lost(folder: Path, end: str) -> None:
    """A job without time for it, and one that is ended by SIGTERM: their rows are counted."""
    bound = {"TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "2"}
    if not end:
        bound["TIDEGAUGE_WHYLABS_LOAD_TIMEOUT_S"] = "0"
    found = run(HANG + CONFIGURE + "predict(300)\n" + end, folder, SHORT_JOB, **bound)
    assert "300 rows are not profiled: the process has ended before." in found.stderr
    assert {} == rows(folder)


@pytest.mark.backends  # needs no service, but long
def test_a_killed_process_loses_what_came_after_its_checkpoint(folder: Path) -> None:
    """The next one on this host sends the rest, as a profile of its own."""
    killed = run(
        "background.CHECKPOINT_S = 0.0\n"
        "predict(200)\n"
        "wait_for('.spool/*/*.open')\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        folder,
    )
    assert -signal.SIGKILL == killed.returncode
    assert {} == rows(folder)
    run("predict(50)", folder)
    counts = sorted(rows(folder).values())
    assert 2 == len(counts)
    assert 50 == counts[0]
    assert 0 < counts[1] <= 200
    assert 50 + 200 >= sum(counts)


@pytest.mark.backends
def test_sigterm_leaves_the_profile(folder: Path) -> None:
    """As a normal end does."""
    found = run("predict(300)\nos.kill(os.getpid(), signal.SIGTERM)", folder)
    assert -signal.SIGTERM == found.returncode
    assert [300] == list(rows(folder).values())


WORKERS = """
predict(100)
pipeline.flush()
children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        predict(10 * (number + 1))
        os.kill(os.getpid(), signal.SIGTERM)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""


def test_forked_workers_have_profiles_of_their_own(folder: Path) -> None:
    """Each with its rows and none of its parent's; together they are all rows."""
    run(WORKERS, folder)
    found = rows(folder)
    assert [10, 20, 30, 100] == sorted(found.values())
    workers = {name.rpartition("_")[2].partition("-")[0] for name in found}
    assert 4 == len(workers)


@pytest.mark.backends
def test_a_service_goes_on_when_its_folder_cannot_be_written(folder: Path) -> None:
    """It says so, and predicts."""
    folder.parent.joinpath("profiles").write_text("a file")
    found = run("predict(300)\nprint('served')", folder)
    assert (0, "served\n") == (found.returncode, found.stdout)
    assert "Not a directory" in found.stderr or "File exists" in found.stderr


def to_platform(served: WhylabsPlatform) -> dict[str, str]:
    """Return the settings of a job that sends to a platform."""
    return {
        "TIDEGAUGE_WHYLABS_WRITER": "whylabs",
        "WHYLABS_API_ENDPOINT": served.url,
        "WHYLABS_API_KEY": KEY,
        "WHYLABS_DEFAULT_DATASET_ID": "model-1",
    }


@pytest.mark.backends  # needs no service, but long
def test_a_process_killed_in_mid_upload_loses_nothing(folder: Path) -> None:
    """It predicts while the platform hangs; the next process sends what was closed, whole."""
    with WhylabsPlatform() as served:
        served.replies.extend([Reply(), Reply(hangs=True)])
        process = subprocess.Popen(
            [sys.executable, "-c", JOB + INTERVAL_OVER + "sys.stdin.readline()\npredict(7)\n"
             "assert pipeline.flush()\nprint('served', flush=True)\nsys.stdin.read()"],
            env=environment(folder, **to_platform(served), TIDEGAUGE_WHYLABS_TIMEOUT_S="60"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: len(served.requests) > 1 or None, "an upload", LIMIT_S)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert "served\n" == process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
        assert [] == served.uploads()
        run("predict(3)", folder, **to_platform(served))
        found = [counted(DatasetProfileView.deserialize(each.content))
                 for each in served.uploads()]  # fmt: skip
        assert [3, 10] == sorted(found)
        assert [] == served.faults


@pytest.mark.backends
def test_a_disk_that_takes_nothing_keeps_no_profile_from_the_platform(folder: Path) -> None:
    """It is sent from memory."""
    with WhylabsPlatform() as served:
        full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        found = run(full + "predict(20)", folder, **to_platform(served))
        assert "got File too large from" in found.stderr
        (sent,) = served.uploads()
        assert 20 == counted(DatasetProfileView.deserialize(sent.content))


@pytest.mark.backends
def test_profiles_are_closed_while_the_service_runs(folder: Path) -> None:
    """When their interval is over, without anybody asking."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB + INTERVAL_OVER + "sys.stdin.read()"],
        env=environment(folder), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        (path,) = wait_until(lambda: list(folder.glob("*.bin")) or None, "a profile", LIMIT_S)
        assert "_20261119T120000Z_" in path.name
        assert [10] == list(rows(folder).values())
    finally:
        process.kill()
        process.communicate()
