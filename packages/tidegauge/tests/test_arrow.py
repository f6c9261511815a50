"""Tables of Arrow's become tables of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.channel import payload_bytes
from tidegauge.columns import tables
from tidegauge.snapshot import take


@given(st.data(), st.integers(0, 6))
def test_arrow_tables(data: Any, rows: int) -> None:
    """Every value arrives; nulls stay None; what becomes of an array beneath is not seen."""
    array = np.arange(float(rows))
    lists = {
        "i": data.draw(st.lists(st.integers(-9, 9) | st.none(), min_size=rows, max_size=rows)),
        "s": data.draw(st.lists(st.text(max_size=3), min_size=rows, max_size=rows)),
    }
    types = {"i": pa.int64(), "s": pa.dictionary(pa.int32(), pa.string())}
    arrays = {name: pa.array(values, types[name]) for name, values in lists.items()}
    given_table = pa.table({"f": pa.array(array), **arrays})
    start = data.draw(st.integers(0, 2))
    snapshots = [take(given_table, 0, 1), take(given_table, start, 3)]
    expected = [list(row) for row in zip(array.tolist(), *lists.values(), strict=True)]
    array[:] = 77.0
    ((_, _, counts, table),) = tables(snapshots, None)
    assert [rows, len(range(start, rows, 3))] == counts
    assert table is not None
    assert ("f", "i", "s") == table.names
    columns = list(table.matrix.T) if table.matrix is not None else list(table.columns or ())
    found = [[None if v != v else v for v in row] for row in zip(*columns, strict=True)]  # noqa: PLR0124
    assert expected + expected[start::3] == found


def test_a_numeric_arrow_table_is_a_matrix() -> None:
    """As any table of numbers; an array of Arrow's is none."""
    ((*_, table),) = tables([take(pa.table({"a": [1, 2], "b": [0.5, 1.5]}), 0, 1)], None)
    assert table is not None
    assert table.matrix is not None
    assert take(pa.array([1, 2]), 0, 1) is None
    assert payload_bytes(take(pa.table({"a": np.zeros(100)}), 0, 1)) > 800
