"""Each launcher with real servers: what was sent is what is counted, whatever happens to workers.

``LAUNCHERS=all`` runs every launcher; else those run that most people use.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import wait_until
from tidegauge_testkit.launches import ALL, STARTS, USUAL, Launcher, Stage, Trial
from tidegauge_testkit.launches.launchers import RECYCLED_AFTER, WORKERS

pytestmark = [pytest.mark.backends, pytest.mark.launchers]

LAUNCHERS = ALL if os.environ.get("LAUNCHERS") == "all" else USUAL
RECYCLES = 6
SOON_S = 20.0
WINDOW, WINDOW_ROWS = "300rows", 300
# Counts, gauges, panes: however many workers there have been before.
MOST_FILES_A_WORKER = 12
# As long as Prometheus waits by default.
SCRAPE_LIMIT_S = 10.0
# As the documentation promises.
LISTENS_AGAIN_S = 5.0

each_launcher = pytest.mark.parametrize("launcher", LAUNCHERS, ids=lambda each: each.name)
each_start = pytest.mark.parametrize("started", STARTS)


def place(folder: Path, launcher: Launcher, started: str, what: str) -> Path:
    """Return a folder whose name tells the launch apart at the receiver."""
    return folder / f"{launcher.name} {started} {what}".replace(" ", "_")


@each_start
@each_launcher
def test_totals_are_what_was_sent(
    stage: Stage, launcher: Launcher, started: str, tmp_path: Path
) -> None:
    """Workers end, are killed, reloaded and replaced; nothing is lost or counted twice."""
    with stage.trial(launcher, started, place(tmp_path, launcher, started, "hurt")) as trial:
        trial.suffer("none")
        trial.suffer("SIGTERM of a worker", trial.term_worker)
        trial.suffer("SIGKILL of a worker", trial.kill_worker)
        trial.suffer("SIGKILL of the leader", trial.kill_leader)
        if launcher.reloads:
            trial.suffer("SIGHUP", trial.reload)
        first = None
        if launcher.upgrades:
            _, first = trial.upgrade()
        trial.end("SIGTERM of the launch: all", first)
        assert (2 if launcher.upgrades else 1) == trial.instances()


@each_start
@each_launcher
def test_workers_are_replaced_and_the_first_process_is_killed(
    stage: Stage, launcher: Launcher, started: str, tmp_path: Path
) -> None:
    """Replaced workers fill the same windows; another process listens when the listener dies."""
    folder = place(tmp_path, launcher, started, "renewed")
    with stage.trial(launcher, started, folder, recycle=bool(launcher.recycling)) as trial:
        if launcher.recycling:
            trial.requests = RECYCLED_AFTER * RECYCLES
            trial.suffer(launcher.recycling[0], trial.keep_scraping)
            check_windows_and_files(trial)
        else:
            trial.suffer("none")
        if launcher.outlived or launcher.listener_is_a_worker(started):
            row = trial.lose_listener()
            assert float(row.note.split()[-2]) <= LISTENS_AGAIN_S
            trial.end("SIGTERM to each at once: all", each=True)
        else:
            trial.launch.kill(trial.launch.pid, signal.SIGKILL)
            trial.end("SIGKILL of the first process: all")
        assert 1 == trial.instances()


def check_windows_and_files(trial: Trial) -> None:
    """Wait for a window over all workers, and until those that have ended leave nothing behind."""
    launch = trial.launch
    window_rows = prometheus_name(metrics.DRIFT_WINDOW_ROWS)
    wait_until(
        lambda: (launch.total(window_rows, window=WINDOW) or 0) >= WINDOW_ROWS, "a window", SOON_S
    )
    wait_until(
        lambda: len(list(launch.group.glob("*/workers/*"))) <= WORKERS + 1,
        "the end of the places of workers that have ended",
        SOON_S,
    )
    files = sum(path.is_file() for path in launch.group.rglob("*"))
    trial.remark(f"{files} files, slowest scrape {launch.slowest_scrape_s:.2f} s")
    assert files <= MOST_FILES_A_WORKER * (WORKERS + 1)
    assert launch.slowest_scrape_s < SCRAPE_LIMIT_S
