"""What is said of each feature in each segment: one small record, read as an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.optional import known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra

#: The family of the tests, and the name of the column in a verdict.
SEGMENTS = "segments"

# NaN and -1 stand for None. A verdict keeps the records of one feature as bytes.
RECORD = np.dtype(
    [
        ("rows", "<u4"), ("effective_rows", "<f4"), ("psi", "<f4"), ("ks", "<f4"),
        ("effect", "<f4"), ("adjusted", "<f4"), ("flagged", "<i1"), ("before", "<i1"),
        ("detected", "<i1"), ("unused", "<i1"), ("since", "<u4"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SegmentVerdict:
    """One feature among the rows of one segment, by their places; values are None if unknown."""

    feature: int
    segment: int
    rows: int
    effective_rows: float
    psi: float | None
    ks: float | None
    effect: float
    flagged: bool
    detected: bool
    since_s: int


def pack(table: NDArray[Any]) -> Extra:
    """Return records (features, segments) as a column of a verdict."""
    width = table.shape[1] * RECORD.itemsize
    return {SEGMENTS: np.frombuffer(table.tobytes(), np.dtype(f"V{width}"))}


def unpack(extra: Extra) -> NDArray[Any] | None:
    """Return the records (features, segments) of a verdict; None where there are none."""
    found = extra.get(SEGMENTS)
    if found is None:
        return None
    return np.frombuffer(found.tobytes(), RECORD).reshape(len(found), -1)


def alarms(extra: Extra) -> NDArray[np.bool_] | None:
    """Return which features' alarms are on in a segment; None where no segment was ever judged."""
    table = unpack(extra)
    if table is None or (table["detected"] < 0).all():
        return None
    found: NDArray[np.bool_] = (table["detected"] == 1).any(axis=1)
    return found


def differing(extra: Extra) -> Iterator[SegmentVerdict]:
    """Yield what alarms, then what differs, each by falling effect."""
    table = unpack(extra)
    if table is None:
        return
    chosen = (table["detected"] == 1) | (table["flagged"] == 1)
    places = np.argwhere(chosen).tolist()
    places.sort(key=lambda at: (-table[tuple(at)]["detected"], -table[tuple(at)]["effect"]))
    for feature, segment in places:
        row = table[feature, segment]
        yield SegmentVerdict(
            feature, segment, int(row["rows"]), float(row["effective_rows"]), known(row["psi"]),
            known(row["ks"]), float(row["effect"]), bool(row["flagged"] == 1),
            bool(row["detected"] == 1), int(row["since"]),
        )  # fmt: skip


def undecided(extra: Extra) -> NDArray[np.bool_] | None:
    """Return the segments in which no feature could be judged."""
    table = unpack(extra)
    if table is None:
        return None
    return np.asarray((table["flagged"] < 0).all(axis=0))
