"""What the background keeps between slices, and cells that numpy would look into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from tidegauge import columns
from tidegauge.columns import tables
from tidegauge.pieces import pieces
from tidegauge.snapshot import take


def names_of(frame: pd.DataFrame) -> Any:
    """Return the names that the background reads from a frame."""
    ((_, _, _, table),) = tables([take(frame, 0, 1)], None)
    assert table is not None
    return table.names


def test_names_are_read_anew_from_every_index() -> None:
    """However many there were: what is kept is bounded, and never another frame's."""
    for i in range(300):
        frame = pd.DataFrame([[1.0, 2.0]], columns=[f"a{i}", f"b{i}"])
        assert (f"a{i}", f"b{i}") == names_of(frame)
        assert (f"a{i}", f"b{i}") == names_of(frame)
        assert len(columns._names) <= columns._NAMES_KEPT


@pytest.mark.parametrize("cells", [([1], [1, 2]), ([[1]], [1]), (np.zeros(2), np.zeros(3))])
def test_cells_of_unequal_length(cells: tuple[Any, Any]) -> None:
    """They stay what they are; the columns beside them are numbers."""
    ((_, _, _, table),) = tables([take([[1.0, cell] for cell in cells], 0, 1)], None)
    assert table is not None
    assert table.columns is not None
    assert [1.0, 1.0] == table.columns[0].tolist()
    assert all(a is b for a, b in zip(cells, table.columns[1], strict=True))


def test_neighbours_that_cannot_stand_in_one_matrix_stay_apart() -> None:
    """A column of labels and one of numbers, or of another width."""
    outputs = [[0.5], np.array([[0.5]]), np.array([["a"]]), np.array([[0.5, 0.5]]), None]
    features = [take(np.ones((1, 2)), 0, 1)] * len(outputs)
    kept = [out if isinstance(out, list) else take(out, 0, 1) for out in outputs]
    found = list(pieces(features, kept, None))
    assert [(0, 2), (2, 3), (3, 4), (4, 5)] == [(piece.start, piece.stop) for piece in found]
    assert [2, 1, 1, 1] == [piece.features.rows for piece in found if piece.features]


@pytest.mark.parametrize("absent", [0.0, np.nan])
def test_what_a_sparse_row_leaves_out_is_as_the_model_takes_it(absent: float) -> None:
    """A 0 that it holds is one in any case."""
    data = scipy.sparse.csr_array(([1, 0, 2], [1, 0, 1], [0, 1, 3, 3]), shape=(3, 2))
    ((_, _, counts, table),) = tables([take(data, 0, 1), take(data, 1, 2)], ("a", "b"), absent)
    assert table is not None
    expected = [[absent, 1.0], [0.0, 2.0], [absent, absent], [0.0, 2.0]]
    assert [3, 1] == counts
    np.testing.assert_array_equal(expected, table.matrix)


def test_calls_of_one_row_and_of_several_are_one_piece() -> None:
    """Whatever kind each is of: behind it each piece costs as much as hundreds of rows."""
    several, single = np.full((3, 2), 2.0), np.full((1, 2), 3.0, np.float32)
    features = [
        np.ones((1, 2)).tobytes(),
        *(take(rows, 0, 1) for rows in (several, single, [[4, 4]])),
        [5.0, 5.0],
    ]
    outputs = [[0.0], take(np.array([1.0, 2.0, 3.0]), 0, 1), [4.0], [5.0], [6.0]]
    (piece,) = pieces(features, outputs, ("a", "b"))
    assert (0, 5, [1, 3, 1, 1, 1]) == (piece.start, piece.stop, piece.counts)
    assert piece.features is not None
    assert piece.outputs is not None
    assert ("a", "b") == piece.features.names
    assert piece.features.matrix is not None
    assert [1.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0] == piece.features.matrix[:, 1].tolist()
    assert piece.outputs.matrix is not None
    assert [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0] == piece.outputs.matrix.ravel().tolist()


def test_nothing_is_no_piece() -> None:
    """An empty slice."""
    assert [] == list(pieces([], [], None))
