"""Each launcher with real servers: what was sent is what is counted, whatever happens to workers.

``LAUNCHERS=all`` runs every launcher, with and without code; else those run that most people use,
each in one of the two ways by turns.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import wait_until
from tidegauge_testkit.launches import ALL, STARTS, USUAL, Launcher, Sent, Stage, Trial
from tidegauge_testkit.launches.launch import series
from tidegauge_testkit.launches.launchers import RECYCLED_AFTER, WORKERS

pytestmark = [pytest.mark.backends, pytest.mark.launchers]

EVERY = os.environ.get("LAUNCHERS") == "all"
LAUNCHES = [
    (launcher, started)
    for number, launcher in enumerate(ALL if EVERY else USUAL)
    for started in (STARTS if EVERY else [STARTS[number % len(STARTS)]])
]
FEW = 60
# Where each request brings the end of a worker nearer, a slower pace leaves time for new ones.
RENEWING, RENEWING_PER_S = 40, 25.0
LATER_S = 300.0
WINDOW = {"window": "300rows"}
# Counts, gauges, panes: however many workers there have been before.
MOST_FILES_A_WORKER = 12
# As long as Prometheus waits by default.
SCRAPE_LIMIT_S = 10.0
# As the documentation promises.
LISTENS_AGAIN_S = 5.0


def name(part: Launcher | str) -> str:
    """Return how a part of a launch is called in the name of its test."""
    return part if isinstance(part, str) else part.name


each_launch = pytest.mark.parametrize(("launcher", "started"), LAUNCHES, ids=name)


def place(folder: Path, launcher: Launcher, started: str, what: str) -> Path:
    """Return a folder whose name tells the launch apart at the receiver."""
    return folder / f"{launcher.name} {started} {what}".replace(" ", "_")


@each_launch
def test_totals_are_what_was_sent(
    stage: Stage, launcher: Launcher, started: str, tmp_path: Path
) -> None:
    """Workers end, are killed, reloaded and replaced; nothing is lost or counted twice."""
    with stage.trial(launcher, started, place(tmp_path, launcher, started, "hurt")) as trial:
        trial.suffer("none")
        trial.suffer("SIGTERM of a worker", trial.term_worker)
        trial.suffer("SIGKILL of a worker", trial.kill_worker)
        trial.suffer("SIGKILL of the leader", trial.kill_leader)
        if launcher.listener_is_a_worker(started):
            lose_listener(trial)
        if launcher.reloads:
            trial.suffer("SIGHUP", trial.reload, requests=FEW, per_s=RENEWING_PER_S)
        if launcher.settings:
            renew(trial, f"--max-requests {RECYCLED_AFTER}")
        if launcher.upgrades:
            upgrade(trial)
        else:
            kill_first(trial)
        assert (2 if launcher.upgrades else 1) == trial.instances()


@pytest.mark.parametrize(
    ("launcher", "started"), [each for each in LAUNCHES if not each[0].upgrades], ids=name
)
def test_workers_are_renewed_and_the_launch_ends(
    stage: Stage, launcher: Launcher, started: str, tmp_path: Path
) -> None:
    """Replaced workers fill the same windows; all that was counted arrives at the end."""
    folder = place(tmp_path, launcher, started, "renewed")
    with stage.trial(launcher, started, folder, recycle=bool(launcher.recycling)) as trial:
        if launcher.recycling:
            renew(trial, f"--limit-max-requests {RECYCLED_AFTER}")
        else:
            trial.suffer("none", requests=FEW)
        trial.end("SIGTERM of the launch: all")
        assert 1 == trial.instances()


def upgrade(trial: Trial) -> None:
    """Have gunicorn start a second launch, end the first one, and then the second otherwise."""
    _, first = trial.upgrade()
    if trial.launcher.listener_is_a_worker(trial.started):
        trial.end("SIGTERM to each at once: all", first, each=True)
    else:
        trial.launch.kill(first, signal.SIGKILL)
        trial.end("SIGKILL of the first process: all", first)


def kill_first(trial: Trial) -> None:
    """Kill the process that started the others; those that live on end later."""
    launcher = trial.launcher
    if launcher.outlived and not launcher.listener_is_a_worker(trial.started):
        lose_listener(trial)
        trial.end("SIGTERM to each at once: all", each=True)
    else:
        trial.launch.kill(trial.launch.pid, signal.SIGKILL)
        trial.end("SIGKILL of the first process: all", each=launcher.outlived or None)


def lose_listener(trial: Trial) -> None:
    """Kill the listener; see that another one answers as soon as is promised."""
    row = trial.lose_listener()
    assert float(row.note.split()[-2]) <= LISTENS_AGAIN_S


def renew(trial: Trial, setting: str) -> None:
    """Have workers replaced; see that windows fill, and that files stay few and scrapes short."""
    launch = trial.launch
    seen: set[tuple[float, ...]] = set()

    def see_replaced(sent: Sent) -> None:
        """Scrape until there have been as many workers again, and two windows."""

        def look() -> bool:
            text = launch.scrape()
            if text is not None:
                seen.add(tuple(series(text, prometheus_name(metrics.DRIFT_PSI_VALUE), **WINDOW)))
            # The first new one may have been nearly full before.
            return len(sent.workers()) >= 2 * WORKERS and len(seen) > 2

        wait_until(look, "new workers and two windows", LATER_S, 0.25)

    trial.suffer(setting, see_replaced, requests=RENEWING, per_s=RENEWING_PER_S)
    wait_until(
        lambda: len(list(launch.group.glob("*/workers/*"))) <= WORKERS + 1,
        "the end of the places of workers that have ended",
        LATER_S,
    )
    files = sum(path.is_file() for path in launch.group.rglob("*"))
    trial.remark(f"{files} files, slowest scrape {launch.slowest_scrape_s:.2f} s")
    assert files <= MOST_FILES_A_WORKER * (WORKERS + 1)
    assert launch.slowest_scrape_s < SCRAPE_LIMIT_S
