"""What the background keeps between slices, and cells that numpy would look into."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from tidegauge import columns, guard
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


@pytest.mark.parametrize(
    "made",
    [
        lambda text: take({"text": text, **{f"f{i}": float(i) for i in range(20)}}, 0, 1),
        lambda text: take([[text, *map(float, range(20))]], 0, 1),
        lambda text: take([{"text": text, **{f"f{i}": float(i) for i in range(20)}}], 0, 1),
    ],
)
def test_a_long_text_takes_no_room_in_the_cells_beside_it(made: Callable[[str], Any]) -> None:
    """Arrays of text have room for the longest in each cell: gigabytes for a prompt."""
    kept = [made("x"), *(made(f"{i}" * 10_000) for i in range(10)), *(made("y") for _ in range(53))]
    tracemalloc.start()
    ((_, stop, _, table),) = tables(kept, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == stop
    assert table is not None
    assert table.columns is not None
    assert ["x", "0" * 10_000] == table.columns[0][:2].tolist()
    assert np.float64 == table.columns[1].dtype
    assert peak < 1_000_000


@pytest.mark.parametrize("odd", [[[1, 2], [3]], [1, [2]], [b"\xff", "x"], [1, [[], [[]]]]])
def test_outputs_in_no_order_cost_nobody_elses(odd: list[Any]) -> None:
    """Calls beside such a one are read, and it counts itself."""
    kept: list[Any] = [[0.5], odd, [0.25]]
    found = [table.rows if table else 0 for _, _, _, table in tables(kept, None)]
    assert [1, 1, 1] == found


def test_keys_that_do_not_compare_cost_nobody_elses(core: Any) -> None:
    """A layout that raises is counted, and the calls beside it are read."""

    class Odd(dict[str, float]):
        def __iter__(self) -> Iterator[str]:
            raise LookupError

    kept = [{"a": 1.0}, Odd(a=1.0), {"a": 2.0}]
    found = [table and table.rows for _, _, _, table in tables([("dict", x) for x in kept], None)]
    assert [1, None, 1] == found
    assert {"columns.dict:LookupError": 1} == guard.counts()
    assert [] == core.recorder.batches


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
