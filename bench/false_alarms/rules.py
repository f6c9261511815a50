"""The report's verdict beside two others on the same clean rows.

The rows are those of ``bench/report_false_alarms.py``, which has more windows of the report's
verdict alone; here each window also has the classic rule, and the first ones Evidently's default.
"""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from population import zipf
from report_false_alarms import ALPHA, LARGE, ROWS, Array, draw, verdict
from results import complete
from tidegauge_drift import kl_divergence, kl_divergence_from_counts, ks, psi, psi_from_counts
from tidegauge_drift.report.categorical import categorical_test
from tidegauge_drift.report.tables import Categories

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    Pair = tuple[list[Array], list[Array]]
    Task = tuple[dict[str, Any], Callable[[], dict[str, Any]]]

REFERENCES = (10_000, 1000)
LEVELS = (30, 100)
# Windows of each line; Evidently takes seconds for one, so it sees the first of them.
_WINDOWS, _PEERS = 400, 40
_FEWER = 10  # of 100,000 rows so many times fewer
OURS, PEER = "report", "Evidently"
_NUMBERS = 17
_PSI, _P, _KL = 0.2, 0.05, 0.1


class Peer:
    """Evidently in a process of its own."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, Path(__file__).parent / "peer.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"DO_NOT_TRACK": "1", "PATH": ""},
        )  # fmt: skip

    def drifted(self, reference: Sequence[Array], current: Sequence[Array]) -> list[str]:
        """Return the columns that it flags; the numbers first, then rows of each category."""
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
        assert self._process.stdin is not None
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


def twenty(rows: int, reference_rows: int, window: int) -> Pair:
    """Draw one clean window of 20 features, and its reference."""
    rng = np.random.default_rng((17, rows, reference_rows, window))
    return draw(rng, reference_rows), draw(rng, rows)


def categories(levels: int, rows: int, reference_rows: int, window: int) -> Pair:
    """Draw one clean window of one feature of so many categories, and its reference."""
    rng = np.random.default_rng((19, levels, rows, reference_rows, window))
    reference, current = (
        rng.multinomial(size, zipf(levels)).astype(np.float64) for size in (reference_rows, rows)
    )
    return [reference], [current]


def judged(pair: Pair) -> dict[str, Any]:
    """Judge a window by the report's verdict and by the classic rule."""
    reference, current = pair
    single = len(reference) == 1
    found = {
        "classic": any(
            classic(p, q, categories=single or i >= _NUMBERS)
            for i, (p, q) in enumerate(zip(reference, current, strict=True))
        )
    }
    if single:
        test = categorical_test(_named(reference[0]), _named(current[0]))
        small = test.p_value is not None and test.p_value <= ALPHA
        return {**found, "ours": small and test.effect >= 1}
    features = verdict(reference, current)
    return {
        **found,
        "ours": any(feature.drifted for feature in features),
        "anything": any(feature.flagged for feature in features),
    }


def _named(counts: Array) -> Categories:
    named = Counter({f"level{i}": int(n) for i, n in enumerate(counts) if n})
    return Categories(named.total(), named, 0, 0, np.empty(0))


def run(given: argparse.Namespace) -> None:
    """Judge clean windows by the report's verdict and the classic rule, or by Evidently's."""
    many = 1 if given.quick else _PEERS if given.evidently else _WINDOWS
    tasks: Iterator[Task]
    if given.evidently:
        peer = Peer(given.evidently)
        tasks = _tasks(given.only, many, PEER, lambda pair: {"flagged": bool(peer.drifted(*pair))})
        complete(given.results / "rules.jsonl", tasks, "clean windows of Evidently's")
        peer.close()
    else:
        tasks = _tasks(given.only, many, OURS, judged)
        complete(given.results / "rules.jsonl", tasks, "clean windows")


def _tasks(
    only: str, windows: int, rule: str, judge: Callable[[Pair], dict[str, Any]]
) -> Iterator[Task]:
    for window, reference, rows, levels in itertools.product(
        range(windows), REFERENCES, ROWS, (0, *LEVELS)
    ):
        name = f"zipf{levels}" if levels else "20"
        known = {"case": f"{name} n{rows} m{reference}", "rule": rule, "model": window}
        if only in known["case"] and (rows < LARGE or window < windows // _FEWER):
            pair = (
                functools.partial(categories, levels, rows, reference, window)
                if levels
                else functools.partial(twenty, rows, reference, window)
            )
            yield known, functools.partial(_line, known, pair, judge)


def _line(
    known: dict[str, Any], pair: Callable[[], Pair], judge: Callable[[Pair], dict[str, Any]]
) -> dict[str, Any]:
    return {**known, **judge(pair())}
