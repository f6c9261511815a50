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

LIMIT_S = 200.0
NOBODY = "there is no OpenTelemetry MeterProvider to export them"
JOB = """
import os, signal, sys, time, warnings
warnings.simplefilter("ignore")
# whylogs does without them, and is loaded in a fifth of the time.
for name in ("pandas", "sklearn", "scipy"):
    sys.modules[name] = None
from pathlib import Path
from tidegauge_exporter_whylabs import background, load_whylogs
load_whylogs()
import tidegauge
from tidegauge import pipeline

def predict(rows, model=tidegauge.Model("fraud model", version="3")):
    for value in range(rows):
        with model.prediction({"amount": float(value), "country": "de"}) as prediction:
            prediction.output = value / 10

def wait_for(pattern):
    while not list(Path(os.environ["TIDEGAUGE_WHYLABS_DIR"]).glob(pattern)):
        time.sleep(0.02)
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


def run(code: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a job to its end."""
    return subprocess.run(
        [sys.executable, "-c", JOB + code], env=environment(folder, **more), timeout=LIMIT_S,
        capture_output=True, text=True, check=False, cwd=folder.parent,
    )  # fmt: skip


def rows(folder: Path, name: str = "amount") -> dict[str, int]:
    """Return how many rows each profile in a folder has."""
    return {path.name: int(view(path).get_column(name).get_metric("counts").n.value)
            for path in sorted(folder.glob("*.bin"))}  # fmt: skip


def view(path: Path) -> Any:
    """Read a profile with whylogs."""
    from whylogs.core import DatasetProfileView

    return DatasetProfileView.deserialize(path.read_bytes())


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


def test_profiles_are_closed_while_the_service_runs(folder: Path) -> None:
    """When their interval is over, without anybody asking."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB + "tidegauge.runtime.shared.clock = lambda: now[0]\n"
         "now = [1_795_089_600.0]\npredict(10)\npipeline.flush()\nnow[0] += 3606\n"
         "sys.stdin.read()"],
        env=environment(folder), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        (path,) = wait_until(lambda: list(folder.glob("*.bin")) or None, "a profile", LIMIT_S)
        assert "_20261119T120000Z_" in path.name
        assert [10] == list(rows(folder).values())
    finally:
        process.kill()
        process.communicate()
