"""Whether the inputs of a closed window correlate as the reference's do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.block import PAIRS, SCORES
from tidegauge_drift.correlated import FLOOR_Z
from tidegauge_drift.correlation import correlations, fisher_z, p_values
from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tidegauge_drift.correlated import Correlated
    from tidegauge_drift.extras import Extra
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.window import ClosedWindow

# Events of one window.
MAXIMUM_PAIRS = 5
# A row a pair: 11 bytes. The correlation now, NaN where it was not judged; the flag, the last one
# that was decided, and the alarm, -1 where there is none; since when it has differed.
_COLUMNS = {"now": "<f4", "flagged": "<i1", "before": "<i1", "detected": "<i1", "since": "<u4"}
# Why a pair was not judged is told from the flag: too few rows, or an input that differs itself.
UNDECIDED, DRIFTING = -1, -2


def judge_pairs(
    window: ClosedWindow,
    reference: Correlated,
    before: Extra,
    level: float,
    *,
    deff: Floats,
    steady: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
) -> Extra:
    """Return what is said of each pair of inputs, as columns by name.

    Benjamini-Hochberg over all pairs at ``level`` and a floor of the change of Fisher's z flag a
    pair; two flagged windows in a row raise its alarm, two clean ones end it. A pair that could not
    be judged keeps its alarm as it was.

    Parameters
    ----------
    window : ClosedWindow
        With the sums of the scores beside its counts.
    reference : Correlated
        What it is compared with.
    before : dict
        The columns of the window of this kind before; empty for the first.
    level : float
        Of the family of all pairs.
    deff : ndarray of float64
        How many rows of each input are worth one.
    steady : ndarray of bool
        Inputs that were judged and do not differ themselves.
    unknown : ndarray of bool
        Inputs of which it is not known how alike rows of one call are.
    """
    now, z, n, m = _measured(window, reference, deff)
    i, j = reference.sides()
    known = np.isfinite(z) & np.isfinite(reference.z)
    known &= (n >= MINIMUM_ROWS) & (m >= MINIMUM_ROWS)
    judged = known & steady[i] & steady[j]
    p = np.ones(reference.pairs)
    change = z - reference.z
    p[judged] = p_values(*(side[judged] for side in (change, reference.spreads, n, m)))
    flags = np.full(reference.pairs, UNDECIDED, np.int8)
    flags[known & ~judged] = DRIFTING
    flagged = (benjamini_hochberg(p) <= level) & (np.abs(change) >= FLOOR_Z)
    flags[judged] = flagged[judged]
    held = unknown[i] | unknown[j]
    return {
        "now": np.where(judged, now, np.nan).astype("<f4"),
        "flagged": flags,
        **_after(before, flags, held, window.opened_s),
    }


def _measured(
    window: ClosedWindow, reference: Correlated, deff: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return each pair's correlation, its z, and the effective rows of window and reference."""
    sums, rows = window.extra.get(SCORES), window.extra.get(PAIRS)
    nothing = np.full(reference.pairs, np.nan)
    cycle_s, lasts_s = reference.cycle_s, window.spec.seconds
    whole = not cycle_s or (lasts_s > 0 and lasts_s % cycle_s == 0)
    if sums is None or rows is None or not whole:
        return nothing, nothing, np.zeros_like(nothing), reference.rows
    r, n = correlations(len(reference.members), sums, rows)
    i, j = reference.sides()
    worth = np.maximum(deff[i], deff[j])
    return r, fisher_z(r), n / worth, reference.rows / worth


def _after(before: Extra, flags: NDArray[np.int8], held: NDArray[np.bool_], opened_s: int) -> Extra:
    """Return the last decided flags, the alarms and since when, with one more window."""
    last = before.get("before", np.full(flags.size, -1, np.int8))
    alarm = before.get("detected", np.full(flags.size, -1, np.int8))
    known = before.get("since", np.zeros(flags.size, "<u4"))
    decided, usable = flags >= 0, (flags >= 0) & ~held
    alike = usable & (last == flags)
    detected = np.where(alike, flags, np.where(decided, np.maximum(alarm, 0), alarm))
    last = np.where(usable, flags, last)
    differs = (flags == 1) | (last == 1) | (detected == 1)
    since = np.where(differs, np.where(known > 0, known, opened_s), 0)
    return {
        "before": last.astype("<i1"),
        "detected": detected.astype("<i1"),
        "since": since.astype("<u4"),
    }


def flipped(before: Extra, after: Extra) -> Iterator[tuple[int, bool]]:
    """Yield the first pairs whose alarm went on or off, and which of the two."""
    on = after["detected"] > 0
    was = before["detected"] > 0 if before else np.zeros_like(on)
    for pair in np.flatnonzero(on != was)[:MAXIMUM_PAIRS].tolist():
        yield pair, bool(on[pair])


def check_pairs(found: dict[str, NDArray[Any]], pairs: int) -> None:
    """Raise ValueError unless these are the columns of so many pairs, or none."""
    if found and {name: column.dtype.str for name, column in found.items()} != {
        name: np.dtype(kind).str for name, kind in _COLUMNS.items()
    }:
        raise ValueError("pairs")
    if any(column.size != pairs for column in found.values()):
        raise ValueError("pairs")
