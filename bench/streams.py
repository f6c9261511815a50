"""False alarms and delays of the streaming detectors: the table of docs/reference/drift.md.

    python bench/streams.py [--rows 2000000]

Clean values first, in one long stream and in streams of 10,000: some detectors alarm when they are
new or never. A detector is made anew after an alarm, without the rest of a day. Then a change after
5,000 values, in 20 streams.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from tidegauge_drift.streams import ADWIN, DDM, EDDM, KSWIN, PAGE_HINKLEY, Stream

ROOT_12 = 12**0.5
STREAMS = 20
PART = 10_000
BEFORE, AFTER = 5_000, 5_000
# KSWIN takes half a millisecond a value.
SLOWER = {KSWIN: 200}

Draw = Callable[[np.random.Generator, int, float], "np.ndarray"]


def places(rng: np.random.Generator, rows: int, shift: float) -> np.ndarray:
    """Return places in the reference of normal rows that are shifted by so many sd."""
    return ndtr(rng.normal(shift, 1, rows))


def errors(rng: np.random.Generator, rows: int, shift: float) -> np.ndarray:
    """Return errors at a rate of .10 and more."""
    return (rng.random(rows) < 0.1 + shift).astype(float)


def make(detector: str, draw: Draw) -> Stream:
    """Return a detector as the leader makes it for a feature, or for errors."""
    centre, scale = (0.5, 1 / ROOT_12) if draw is places else (0.1, 0.3)
    return Stream(detector, centre=centre, scale=scale)


def clean(detector: str, draw: Draw, rows: int, length: int) -> int:
    """Return the false alarms in so many values, in streams of a length."""
    rng = np.random.default_rng(1)
    stream, found = make(detector, draw), 0
    each = 10 if detector == KSWIN else 500  # so that KSWIN sees all of them
    for start in range(0, rows, PART):
        values = draw(rng, min(PART, rows - start), 0.0)
        if start % length == 0:
            stream = make(detector, draw)
        for i in range(0, len(values), each):
            if stream.add(values[i : i + each], 0.0):
                stream, found = make(detector, draw), found + 1
    return found


def delay(detector: str, draw: Draw, shift: float) -> tuple[int, float]:
    """Return in how many streams the change was found, and after how many values (median)."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(STREAMS):
        stream = make(detector, draw)
        for value in draw(rng, BEFORE, 0.0):
            if stream.add([value], 0.0):  # a false alarm: what is normal is learnt anew
                stream = make(detector, draw)
        for i, value in enumerate(draw(rng, AFTER, shift)):
            if stream.add([value], 0.0):
                found.append(i)
                break
    return len(found), statistics.median(found) if found else float("nan")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    wanted = parser.parse_args().rows
    for detector, draw, shifts in (
        (ADWIN, places, (0.25, 0.5, 1.0)),
        (ADWIN, errors, (0.05, 0.1, 0.2)),
        (PAGE_HINKLEY, places, (0.25, 0.5, 1.0)),
        (PAGE_HINKLEY, errors, (0.05, 0.1, 0.2)),
        (KSWIN, places, ()),
        (DDM, errors, (0.05, 0.1, 0.2)),
        (EDDM, errors, ()),
    ):
        rows = wanted // SLOWER.get(detector, 1)
        long, short = (clean(detector, draw, rows, length) for length in (rows, PART))
        print(
            f"{detector} on {draw.__name__}: false alarms in {rows} values: {long} in one stream, "
            f"{short} in streams of {PART}",
            flush=True,
        )
        for shift in shifts:
            number, median = delay(detector, draw, shift)
            print(f"  +{shift}: {number} of {STREAMS} found, median {median:.0f}", flush=True)


if __name__ == "__main__":
    main()
