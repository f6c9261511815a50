"""The same stream through one real process and through four, of which two leaders end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tidegauge_drift import build, save

PROGRAM = Path(__file__).parent / "replayed.py"


def _replay(tmp_path: Path, workers: int) -> tuple[dict[tuple[Any, ...], Any], list[str]]:
    """Return each verdict by its window, and the signals that were sent."""
    folder = tmp_path / str(workers)
    folder.mkdir()
    environment = {
        **os.environ,
        "TIDEGAUGE_REFERENCE": str(tmp_path / "a.json"),
        "TIDEGAUGE_DRIFT_WINDOWS": "100rows,30s",
        "TIDEGAUGE_GROUP_DIR": str(folder),
        "OMP_NUM_THREADS": "1",  # threads of numpy's are a reason to warn of forks
    }
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, str(workers)],
        env=environment, capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    assert done.stderr == ""
    found: dict[tuple[Any, ...], Any] = {}
    for line in (folder / "verdicts").read_text("utf-8").splitlines():
        model, label, closed_s, *rest = json.loads(line)
        assert found.setdefault((model, label, closed_s), rest) == rest
    return found, done.stdout.split()


def test_real_processes_judge_as_one(tmp_path: Path) -> None:
    """A leader that is killed and one that is told to end change no verdict and lose no row."""
    save(build(np.random.default_rng(0).normal(size=(2000, 3))), tmp_path / "a.json")
    one, _ = _replay(tmp_path, 0)
    four, signals = _replay(tmp_path, 4)

    assert signals == ["9", "15"]
    assert len(one) >= 8
    assert one == four
