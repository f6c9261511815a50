"""Features and outputs of the same calls, joined to tables that fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tidegauge.batch import Table
from tidegauge.columns import Names, tables


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of calls whose features can be joined, and whose outputs can."""

    start: int
    stop: int
    counts: list[int]  # rows of each call
    features: Table | None
    outputs: Table | None


def pieces(
    features: Sequence[Any], outputs: Sequence[Any], names: Names, absent: float = 0.0
) -> Iterator[Piece]:
    """Join features and outputs of the same calls, cut where the layout of either changes."""
    for start, stop, counts, table in _joined(features, names, absent):
        row = 0
        for low, high, output_counts, found in _joined(outputs[start:stop], None):
            if table is None:
                yield Piece(start + low, start + high, output_counts, None, found)
                continue
            own = counts[low:high]
            rows = sum(own)
            part = table if rows == table.rows else _slice(table, row, row + rows)
            row += rows
            yield Piece(
                start + low, start + high, own, part, found if output_counts == own else None
            )


def _joined(
    snapshots: Sequence[Any], names: Names, absent: float = 0.0
) -> Iterator[tuple[int, int, list[int], Table | None]]:
    """Join also neighbours that differ in kind alone: a call of one row and one of several do."""
    held: list[tuple[int, int, list[int], Table | None]] = []
    for run in tables(snapshots, names, absent):
        if held and not _alike(held[-1][3], run[3]):
            yield _merged(held)
            held = []
        held.append(run)
    if held:
        yield _merged(held)


def _alike(one: Table | None, other: Table | None) -> bool:
    if one is None or other is None or one.matrix is None or other.matrix is None:
        return False
    return one.matrix.shape[1] == other.matrix.shape[1] and one.names == other.names


def _merged(
    runs: list[tuple[int, int, list[int], Table | None]],
) -> tuple[int, int, list[int], Table | None]:
    if len(runs) == 1:
        return runs[0]
    matrix = np.concatenate([run[3].matrix for run in runs if run[3] and run[3].matrix is not None])
    counts = list(chain.from_iterable(run[2] for run in runs))
    names = runs[0][3].names if runs[0][3] else None
    return runs[0][0], runs[-1][1], counts, Table(len(matrix), names, matrix=matrix)


def _slice(table: Table, start: int, stop: int) -> Table:
    if table.matrix is not None:
        return Table(stop - start, table.names, matrix=table.matrix[start:stop])
    columns = tuple(column[start:stop] for column in table.columns or ())
    return Table(stop - start, table.names, columns=columns)
