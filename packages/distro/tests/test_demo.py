"""The demo: its parts, and a shorter run of the whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tidegauge.command import CommandError
from tidegauge_distro.cli.terminal import RichTerminal
from tidegauge_distro.demo import readings, workshop
from tidegauge_distro.demo.processes import Child
from tidegauge_distro.demo.readings import Reading
from tidegauge_distro.demo.screen import Screen, feature_rows

Run = Callable[..., subprocess.CompletedProcess[str]]
Environment = Callable[..., dict[str, str]]
LIMIT_S = 60.0
SCRIPTS = Path(sysconfig.get_path("scripts"))


SCRAPE = """\
# TYPE model_requests_total counter
model_requests_total{model_name="bikes",status="success"} 40.0
model_requests_total{model_name="bikes",status="error"} 2.0
# TYPE drift_psi_value gauge
drift_psi_value{feature="temp",window="300rows"} 7.5
drift_psi_value{feature="hr",window="300rows"} 0.02
# TYPE drift_ks_statistic gauge
drift_ks_statistic{feature="temp",window="300rows"} 0.9
# TYPE drift_detected gauge
drift_detected{feature="temp",family="inputs"} 1.0
drift_detected{feature="temp",family="data_quality"} 0.0
drift_detected{feature="hr",family="inputs"} 0.0
drift_detected{feature="",family="inputs"} 1.0
drift_detected{feature="",family="outputs"} 0.0
"""


def test_a_scrape_is_read() -> None:
    """Values, verdicts and families come out of the text as Prometheus would see it."""
    found = readings.read(SCRAPE)
    assert found.requests == 42
    assert feature_rows(found) == [("temp", "7.500", "0.900", "DRIFT"), ("hr", "0.020", "-", "ok")]
    assert found.families == {"inputs": True, "outputs": False}


def test_the_screen_draws_progress_features_and_alerts(tmp_path: Path) -> None:
    """In a terminal the table is live; what is said stays."""
    with (tmp_path / "screen").open("w+") as file:
        console = Console(file=file, force_terminal=True, width=90)
        with Screen(RichTerminal(), console) as screen:
            screen.show("cold", 0, 5, Reading(), None)
            screen.show("warm", 3, 5, readings.read(SCRAPE), {("InputDrift", ""): "firing"})
        file.seek(0)
        shown = file.read()
    assert "waiting for the first window" in shown or "warm" in shown
    assert "InputDrift" in shown
    assert "7.500" in shown


def test_the_app_is_unmodified() -> None:
    """The served file knows nothing of Tidegauge or OpenTelemetry."""
    source = (Path(workshop.__file__).parent / "app.py").read_text()
    assert "tidegauge" not in source.lower()
    assert "opentelemetry" not in source.lower()


def test_the_data_has_what_the_story_needs(tmp_path: Path) -> None:
    """Rows for both phases, with the features in their order, and a reference beside the model."""
    prepared = workshop.prepare(tmp_path)
    assert list(workshop.FEATURES) == list(prepared.cold[0]) == list(prepared.warm[0])
    assert len(prepared.cold) > 1000
    assert len(prepared.warm) > 1400
    assert prepared.error < prepared.typical / 2
    assert {"app.py", workshop.MODEL_FILE, workshop.REFERENCE_FILE} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_a_child_that_ends_says_what_it_wrote(tmp_path: Path) -> None:
    """An app that cannot start is reported with its last lines."""
    with Child("app", ["sh", "-c", "echo no such module; exit 3"], tmp_path, os.environ) as child:
        with pytest.raises(CommandError, match="app ended with status 3") as caught:
            child.answers("http://127.0.0.1:9/", LIMIT_S)
        assert str(caught.value).endswith("It last wrote:\nno such module")


def test_a_child_is_stopped_on_the_way_out(tmp_path: Path) -> None:
    """Even one that ignores SIGTERM is gone afterwards."""
    words = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    child = Child("deaf", words, tmp_path, os.environ)
    child.stop_s = 0.3
    with child:
        assert alive(child.pid)
    assert not alive(child.pid)


@pytest.mark.backends
def test_the_whole_demo_sees_the_drift_and_nothing_before(tidegauge: Run) -> None:
    """Small windows, two of warm rows at least: exit 0, and the summary says what was seen."""
    done = tidegauge(
        "demo", *["--window", "60", "--cold", "100", "--warm", "260"], PATH="/nonexistent"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.split("What was seen:\n")[1]
    assert "cold: 100 requests answered, 0 failed" in summary
    assert "model_requests_total counted 260" in summary
    assert "cold months: no drift" in summary
    assert "moved: temp, atemp" in summary or "moved: atemp, temp" in summary
    assert "Prometheus is not installed here" in done.stdout
    assert done.stderr == ""


@pytest.mark.backends
def test_an_alert_fires_in_the_real_prometheus(tidegauge: Run) -> None:
    """With Prometheus on the machine the demo shows the alert of the rendered rules firing."""
    began = time.monotonic()
    done = tidegauge("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"\nthe demo took {time.monotonic() - began:.0f} s; alone it is to take 120 at most")
    summary = done.stdout.split("What was seen:\n")[1]
    assert "InputDrift firing" in summary
    assert "DataDriftDetected" in summary


@pytest.mark.backends  # needs no service, but long
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_children_are_stopped_when_the_demo_is(
    tmp_path: Path, environment: Environment, number: signal.Signals, status: int
) -> None:
    """Ctrl-C and SIGTERM leave no process and no folder behind."""
    process = subprocess.Popen(
        [SCRIPTS / "tidegauge", "demo"],
        env=environment(PATH="/nonexistent", TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("Phase 1"):
            assert process.poll() is None
        served = [pid for pid in descendants(process.pid) if alive(pid)]
        process.send_signal(number)
        _, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (status, "") == (process.returncode, err)
    assert served
    assert not any(alive(pid) for pid in served)
    assert list(tmp_path.iterdir()) == []


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children, as ps knows them."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def alive(pid: int) -> bool:
    """Say whether a process is there, some time after it was told to end."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True
