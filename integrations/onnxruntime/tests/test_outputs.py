"""Whatever a session answers: probabilities and numbers are values, labels are categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from tidegauge.projection import project
from tidegauge_testkit import onnx_models
from tidegauge_testkit.recording import Recording

FLOAT, HALF, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
INT, BYTE, BOOL, TEXT = TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL, TensorProto.STRING
Open = Callable[[Any], Any]


def answers(recording: Recording) -> tuple[tuple[str, ...] | None, list[list[Any]]]:
    """Return the names and rows of all outputs."""
    names: set[tuple[str, ...] | None] = set()
    rows: list[list[Any]] = []
    for batch in recording.batches():
        assert batch.outputs is not None
        names.add(batch.outputs.names)
        matrix = batch.outputs.matrix
        columns = batch.outputs.columns or () if matrix is None else matrix.T
        rows += [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    (name,) = names
    return name, rows


def points(many: int) -> Any:
    """Return rows of two features."""
    return np.random.default_rng(4).normal(size=(many, 2)).astype(np.float32)


@pytest.mark.parametrize("many", [1, 6])
def test_one_number_a_row(recording: Recording, opened: Open, many: int) -> None:
    """A regression's output has an empty name."""
    session = opened(onnx_models.linear())
    data = np.ones((many, 3), np.float32)
    (result,) = session.run(None, {"X": data})
    result[:] = 0  # the caller's own now
    assert (("",), [[6.0]] * many) == answers(recording)
    assert recording.values() == {("InferenceSession", ""): many}


@pytest.mark.parametrize("many", [1, 6])
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("asked", [None, ["label", "probabilities"], ["probabilities"]])
def test_of_two_probabilities_the_second_is_kept(
    recording: Recording, opened: Open, many: int, zipmap: bool, asked: list[str] | None
) -> None:
    """As of scikit-learn's own classifiers; without the label it takes a dict to know them."""
    session = opened(onnx_models.classifier(zipmap=zipmap))
    last = "maps" if zipmap else "table"
    wanted = asked and [last if name == "probabilities" else name for name in asked]
    result = session.run(wanted, {"X": points(many)})[-1]
    rows = [list(row.values()) for row in result] if zipmap else result.astype(float).tolist()
    if asked == ["probabilities"] and not zipmap:
        assert (("0", "1"), rows) == answers(recording)
        return
    assert (("1",), [row[1:] for row in rows]) == answers(recording)
    assert recording.values() == {("InferenceSession", "1"): many}


@pytest.mark.parametrize("many", [1, 6])
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("classes", [(3, 5, 8), ("high", "low", "mid")])
def test_several_probabilities_go_by_their_class(
    recording: Recording, opened: Open, many: int, zipmap: bool, classes: Any
) -> None:
    """Where a dict tells it; of a table by position."""
    session = opened(onnx_models.classifier(classes, zipmap=zipmap))
    result = session.run(None, {"X": points(many)})[-1]
    if zipmap:
        expected = [[row[name] for name in classes] for row in result]
        assert (tuple(map(str, classes)), expected) == answers(recording)
    else:
        assert (("0", "1", "2"), result.astype(float).tolist()) == answers(recording)
    assert sum(recording.values().values()) == 3 * many


@pytest.mark.parametrize("many", [1, 6])
@pytest.mark.parametrize("classes", [(0, 1), ("no", "yes")])
def test_labels_are_categories(recording: Recording, opened: Open, many: int, classes: Any) -> None:
    """Where nothing else is asked for they are what there is, and no quantity."""
    (labels,) = opened(onnx_models.classifier(classes)).run(["label"], {"X": points(many)})
    assert (("",), [[str(label)] for label in labels]) == answers(recording)
    assert recording.values() == {}


def test_two_columns_that_are_no_probabilities_are_both_kept(
    recording: Recording, opened: Open
) -> None:
    """The distances to two clusters, beside the label: neither says what the other does."""
    session = opened(onnx_models.same(label=(INT, (None,)), far=(FLOAT, (None, 2))))
    far = np.array([[1.0, 4.0], [2.5, 0.5]], np.float32)
    session.run(None, {"label": np.arange(2), "far": far})
    assert (("0", "1"), far.tolist()) == answers(recording)


@pytest.mark.parametrize("many", [1, 4])
def test_several_heads_stand_side_by_side(recording: Recording, opened: Open, many: int) -> None:
    """Two tables of numbers are the columns of one."""
    session = opened(onnx_models.same(a=(FLOAT, (None, 1)), b=(DOUBLE, (None,))))
    session.run(None, {"a": np.ones((many, 1), np.float32), "b": np.full(many, 2.0)})
    assert (("0", "1"), [[1.0, 2.0]] * many) == answers(recording)


@pytest.mark.parametrize("many", [1, 4])
def test_half_precision_is_read(recording: Recording, opened: Open, many: int) -> None:
    """Two probabilities of half precision beside a label are known as such."""
    session = opened(onnx_models.same(label=(INT, (None,)), p=(HALF, (None, 2))))
    session.run(None, {"label": np.zeros(many, int), "p": np.full((many, 2), 0.5, np.float16)})
    assert (("1",), [[0.5]] * many) == answers(recording)


@pytest.mark.parametrize("many", [1, 4])
@pytest.mark.parametrize("width", [51, 768])
def test_embeddings_are_projected(
    recording: Recording, opened: Open, many: int, width: int
) -> None:
    """Onto the same few columns everywhere; beside them a number would be what is recorded."""
    rows = np.random.default_rng(2).normal(size=(many, width)).astype(np.float32)
    session = opened(onnx_models.same(vector=(FLOAT, (None, width)), score=(FLOAT, (None, 1))))
    feed = {"vector": rows, "score": np.ones((many, 1), np.float32)}
    session.run(["vector_out"], feed)
    names, found = answers(recording)
    assert names == tuple(map(str, range(16)))
    np.testing.assert_allclose(found, project(rows))
    session.run(None, feed)
    assert recording.batches()[-1].outputs.names == ("",)  # type: ignore[union-attr]


# What a session answers that is no value of a row.
NO_VALUES: dict[str, tuple[int, Any]] = {
    "far too wide": (FLOAT, np.zeros((1, 70_000), np.float32)),
    "masks": (FLOAT, np.zeros((3, 4, 4), np.float32)),
    "words": (INT, np.zeros((3, 12), np.int64)),
    "texts": (TEXT, np.array([["a", "b"]] * 3, object)),
    "bytes": (BYTE, np.zeros((3, 9), np.uint8)),
    "a number": (FLOAT, np.array(0.5, np.float32)),
    "no columns": (FLOAT, np.zeros((3, 0), np.float32)),
}


@pytest.mark.parametrize("name", NO_VALUES)
def test_what_is_no_value_is_left_alone(name: str, recording: Recording, opened: Open) -> None:
    """The call counts, beside others whose values are not lost."""
    kind, content = NO_VALUES[name]
    session = opened(onnx_models.same(X=(kind, (None,) * content.ndim)))
    session.run(None, {"X": content})
    good = opened(onnx_models.linear())
    good.run(None, {"X": np.ones((2, 3), np.float32)})
    assert recording.calls() == 2
    assert recording.values() == {("InferenceSession", ""): 2}
    assert recording.faults() == {}


def test_what_has_other_rows_is_left_alone(recording: Recording, opened: Open) -> None:
    """Boxes that were found in an image are not one a row."""
    session = opened(onnx_models.same(image=(FLOAT, (None, 3, 2, 2)), boxes=(FLOAT, (None, 4))))
    image = np.zeros((1, 3, 2, 2), np.float32)
    for many in (0, 2, 5):
        session.run(["boxes_out"], {"image": image, "boxes": np.zeros((many, 4), np.float32)})
    assert (recording.calls(), recording.rows().seen) == (3, 3)
    assert recording.values() == {}
    assert recording.faults() == {}


def test_labels_may_be_flags(recording: Recording, opened: Open) -> None:
    """A column of booleans is a label too."""
    opened(onnx_models.same(X=(BOOL, (None, 1)))).run(None, {"X": np.array([[True], [False]])})
    assert (("",), [["True"], ["False"]]) == answers(recording)
