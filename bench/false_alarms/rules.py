"""The report's verdict beside two others on the same clean rows.

The rows are those of ``bench/report_false_alarms.py``, which has more windows of the report's
verdict alone; here each window also has the classic rule and Evidently's default.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from population import zipf
from results import complete

sys.path.insert(0, str(Path(__file__).parent.parent))
from report_false_alarms import ALPHA, ROWS, Array, draw, verdict
from tidegauge_drift import kl_divergence, kl_divergence_from_counts, ks, psi, psi_from_counts
from tidegauge_drift.report.categorical import categorical_test
from tidegauge_drift.report.tables import Categories

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

REFERENCES = (10_000, 1000)
LEVELS = (30, 100)
_WINDOWS = 40
_NUMBERS = 17
_PSI, _P, _KL = 0.2, 0.05, 0.1


class Peer:
    """Evidently in a process of its own; without an interpreter that has it nothing is said."""

    def __init__(self, python: str) -> None:
        self._process = python and subprocess.Popen(
            [python, Path(__file__).parent / "peer.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"DO_NOT_TRACK": "1", "PATH": ""},
        )  # fmt: skip

    def drifted(self, reference: Sequence[Array], current: Sequence[Array]) -> list[str] | None:
        """Return the columns that it flags; the numbers first, then rows of each category."""
        if not self._process:
            return None
        numbers = 0 if len(reference) == 1 else _NUMBERS
        arrays = {}
        for letters, side in (("rR", reference), ("cC", current)):
            for i, values in enumerate(side):
                arrays[f"{letters[i >= numbers]}{i}"] = values
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, **arrays)
            file.flush()
            self._process.stdin.write(f"{file.name}\n")
            self._process.stdin.flush()
            found: list[str] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.stdin.close()
            self._process.wait(60)


def classic(reference: Array, current: Array, *, categories: bool) -> bool:
    """Apply the rule in common use: PSI of .2 on ten equal bins, KS at .05, KL above .1."""
    if categories:
        return (
            psi_from_counts(reference, current) >= _PSI
            or kl_divergence_from_counts(reference, current) > _KL
        )
    return (
        psi(reference, current) >= _PSI
        or ks(reference, current).p_value < _P
        or kl_divergence(reference, current) > _KL
    )


def twenty(rows: int, reference_rows: int, window: int, peer: Peer) -> dict[str, Any]:
    """Judge one clean window of 20 features by each rule."""
    rng = np.random.default_rng((17, rows, reference_rows, window))
    reference, current = draw(rng, reference_rows), draw(rng, rows)
    found = verdict(reference, current)
    theirs = peer.drifted(reference, current)
    pairs = enumerate(zip(reference, current, strict=True))
    return {
        "case": f"20 n{rows} m{reference_rows}", "model": window,
        "ours": any(feature.drifted for feature in found),
        "anything": any(feature.flagged for feature in found),
        "classic": any(classic(p, q, categories=i >= _NUMBERS) for i, (p, q) in pairs),
        "evidently": None if theirs is None else bool(theirs),
    }  # fmt: skip


def categories(
    levels: int, rows: int, reference_rows: int, window: int, peer: Peer
) -> dict[str, Any]:
    """Judge one clean window of one feature of so many categories by each rule."""
    rng = np.random.default_rng((19, levels, rows, reference_rows, window))
    reference, current = (
        rng.multinomial(size, zipf(levels)).astype(np.float64) for size in (reference_rows, rows)
    )
    test = categorical_test(_named(reference), _named(current))
    theirs = peer.drifted([reference], [current])
    return {
        "case": f"zipf{levels} n{rows} m{reference_rows}", "model": window,
        "ours": test.p_value is not None and test.p_value <= ALPHA and test.effect >= 1,
        "classic": classic(reference, current, categories=True),
        "evidently": None if theirs is None else bool(theirs),
    }  # fmt: skip


def _named(counts: Array) -> Categories:
    named = Counter({f"level{i}": int(n) for i, n in enumerate(counts) if n})
    return Categories(named.total(), named, 0, 0, np.empty(0))


def run(given: argparse.Namespace) -> None:
    """Judge clean windows by all rules."""
    peer = Peer(given.evidently)
    windows = 1 if given.quick else _WINDOWS
    complete(given.results / "rules.jsonl", _tasks(given.only, windows, peer), "clean windows")
    peer.close()


def _tasks(only: str, windows: int, peer: Peer) -> Iterator[tuple[dict[str, Any], Any]]:
    for window in range(windows):
        for reference_rows in REFERENCES:
            for rows in ROWS:
                for levels in (20, *LEVELS):
                    name = "20" if levels == 20 else f"zipf{levels}"
                    case = f"{name} n{rows} m{reference_rows}"
                    if only not in case:
                        continue
                    judge = (
                        functools.partial(twenty, rows, reference_rows, window, peer)
                        if levels == 20
                        else functools.partial(
                            categories, levels, rows, reference_rows, window, peer
                        )
                    )
                    yield {"case": case, "model": window}, judge
