"""Hooks make readable what a library takes and answers; where one breaks, the call counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tidegauge import guard
from tidegauge.calls import Calls
from tidegauge.info import ModelInfo
from tidegauge.observe import observer, recorder
from tidegauge.sampling import adapted, sampled

ROW = np.ones((1, 3))


def total(core: Any) -> int:
    """Return how many calls were recorded."""
    assert core.pipeline.flush()
    return int(core.pipeline.tally.total)


class Boxed:
    """A model of boxes."""

    def predict(self, box: dict[str, Any]) -> Any:
        """Return the rows in a box."""
        return box.get("rows")


def _rows_of(box: dict[str, Any]) -> Any:
    return box["rows"]


@pytest.mark.parametrize(
    ("box", "matrix", "faults"),
    [
        ({"rows": ROW}, [[1.0, 1.0, 1.0]], {}),
        ({"row": ROW}, None, {"record.predict:KeyError": 1}),
    ],
)
def test_features_are_what_is_made_of_the_argument(
    core: Any, box: dict[str, Any], matrix: object, faults: dict[str, int]
) -> None:
    """Where that breaks, the call counts without them, and the app has its answer."""
    describe = lambda _: ModelInfo("f", "C")  # noqa: E731 - as integrations write it
    predict = observer("predict", describe, features=_rows_of)(Boxed.predict)
    assert box.get("rows") is predict(Boxed(), box)
    assert 1 == total(core)
    (batch,) = core.recorder.batches or (None,)
    found = batch.features if batch else None
    assert matrix == (None if found is None else found.matrix.tolist())
    assert faults == guard.counts()


def test_what_may_be_a_stream_is_followed_by_who_knows(core: Any) -> None:
    """An argument of a type that is answered at once takes the short way; both count."""
    calls = Calls("predict", lambda _: ModelInfo("f", "C"))
    predict = recorder(calls, at_once=frozenset({np.ndarray}))(Boxed.predict)
    for box in ({"rows": ROW}, {}):
        assert box.get("rows") is predict(Boxed(), box)
    assert 2 == total(core)


@pytest.mark.parametrize(("box", "rows"), [({"rows": np.ones((5, 2))}, 5), ({"row": 1}, 1)])
def test_a_sample_of_what_is_made_of_an_input(core: Any, box: dict[str, Any], rows: int) -> None:
    """Its rows; where nothing can be made of it, the number of the input's own."""
    read = sampled(_rows_of)
    snapshot, number, start, step = read(box, 1)
    assert (rows, 0, 1) == (number, start, step)
    assert (rows == 1) == (snapshot is None)
    assert (rows == 1) == bool(guard.counts())


def test_an_output_of_rows_that_were_not_taken_is_not_read(core: Any) -> None:
    """Thinning may take none of a call's rows."""
    read = adapted(_rows_of)
    assert read({"rows": ROW}, 1, 1, 2) is None
    assert read({"rows": ROW}, 1, 0, 1) is not None
