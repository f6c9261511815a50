"""What it costs to compare a table with a fitted reference, beside other libraries.

Each library is in a process and an environment of its own, with the same arrays; all live at once
and take turns, one comparison a round, so that the noise of a shared machine falls on all alike.
Figures are medians of CPU seconds. ``--envs`` names a folder with an environment for each library;
those that are missing are made there by uv.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
OURS = "five_statistics"


class Peer(NamedTuple):
    """A case of ``peer.py``: what its environment holds, and how many times longer it may take."""

    case: str
    packages: tuple[str, ...]
    at_least: float


# pandas: what these releases do not run with; statsmodels: what nannyml does not say that it needs.
PEERS = (
    Peer("report", (), 0.0),
    Peer("exact_ks", (), 12.0),
    Peer("frouros_psi", ("frouros==0.9.0", "pandas"), 5.0),
    Peer("nannyml_ks", ("nannyml==0.13.1", "pandas<3", "statsmodels"), 5.0),
    Peer("evidently_psi", ("evidently==0.7.23", "pandas<3"), 200.0),
)
MEGABYTES = 5.0


def environment(folder: Path, peer: Peer) -> str:
    """Return the interpreter of a case, with its packages."""
    if not peer.packages:
        return sys.executable
    python = folder / peer.case / "bin" / "python"
    if not python.exists():
        print(f"making the environment of {peer.case}", flush=True)
        subprocess.run(["uv", "venv", "-q", "-p", "3.11", folder / peer.case], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "-p", python, *peer.packages], check=True)
    return str(python)


class Turns:
    """A process that compares when it is told to."""

    def __init__(self, python: str, case: str, arrays: Path) -> None:
        self._process = subprocess.Popen(
            [python, HERE / "peer.py", case, arrays],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self.seconds: list[float] = []
        self.megabytes: list[float] = []
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "fitted\n":
            raise SystemExit(f"{case} did not start: see its error above")

    def take(self) -> None:
        """Compare once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("go", file=self._process.stdin, flush=True)
        seconds, megabytes = json.loads(self._process.stdout.readline())
        self.seconds.append(seconds)
        self.megabytes.append(megabytes)

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def main() -> int:
    """Measure, print, and say whether all is within its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--envs", type=Path, default=HERE.parent / "build" / "peers")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = options.rows, options.features
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        np.savez(arrays, reference=rng.normal(size=shape), current=rng.normal(0.1, 1, shape))
        running = {OURS: Turns(sys.executable, OURS, arrays)}
        for peer in PEERS:
            running[peer.case] = Turns(environment(options.envs, peer), peer.case, arrays)
        for _ in range(options.rounds):
            for turns in running.values():
                turns.take()
        for turns in running.values():
            turns.end()
    ours = statistics.median(running[OURS].seconds)
    took = max(running[OURS].megabytes)
    print(f"{options.rows} x {options.features}, {options.rounds} rounds, numpy {np.__version__}")
    print(
        f"{OURS:16} {ours:8.4f} s                              {took:6.1f} MB (at most {MEGABYTES})"
    )
    failed = took > MEGABYTES
    for peer in PEERS:
        turns = running[peer.case]
        ratio = statistics.median(turns.seconds) / ours
        failed |= ratio < peer.at_least
        wanted = f"(at least {peer.at_least:.0f})" if peer.at_least else ""
        print(
            f"{peer.case:16} {ratio * ours:8.4f} s, {ratio:6.1f} x {wanted:16} "
            f"{max(turns.megabytes):6.1f} MB {' '.join(peer.packages)}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
