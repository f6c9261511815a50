"""What sessions, feeds and results say: pure functions, with nothing imported of ONNX Runtime."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray
from tidegauge.guard import once
from tidegauge.info import ModelInfo
from tidegauge.model_file import base_name
from tidegauge.projection import MAX_WIDTH, project
from tidegauge.sampling import adapted
from tidegauge.snapshot import Lazy, Snapshot

Array = NDArray[Any]

# Keys of a model's metadata by which whoever exported it may name it, each with the version's. A
# "version" without a "name" is as a rule that of the exporter.
_NAMES = (("model_name", "model_version"), ("name", "version"))
# What stands where no version was set.
_NO_VERSIONS = frozenset({0, 2**63 - 1})
# What converters call every graph: torch, tf2onnx, Keras, Paddle. skl2onnx adds a class, or an id.
_NO_NAMES = re.compile(
    r"|main_graph|torch[-_]jit(-export)?|tf2onnx|(sequential|functional|model|graph)(_\d+)?|g|test"
    r"|(onnx|paddle|pytorch|keras|tf)[-_ ]?(graph|model|onnx)?|onnx\(.*\)"
    r"|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)

# An input with such a name is a text, a number for each word.
_WORDS = frozenset({"input_ids", "decoder_input_ids", "token_ids", "tokens"})
# Wider results are embeddings, or scores of a thousand classes.
_MAX_OUTPUTS = 50
_FLOAT32 = np.dtype(np.float32)
_NUMBERS = "fiub"
_TABLE = 2
_BINARY = 2
# Sums of probabilities of half precision differ that much.
_NEAR_ONE = 2e-3


def describe(session: Any) -> ModelInfo:
    """Return what a session knows of its model: a name and version, a file."""
    meta = session.get_modelmeta()
    custom = meta.custom_metadata_map
    said = (
        (base_name(custom.get(key, "").strip()), custom.get(other, "")) for key, other in _NAMES
    )
    name, version = next((pair for pair in said if pair[0]), ("", ""))
    if not version and meta.version not in _NO_VERSIONS:
        version = str(meta.version)
    # A graph is named by its converter as a rule: the last resort, as the class is elsewhere.
    graph = base_name(meta.graph_name.strip())
    return ModelInfo(
        framework="onnxruntime",
        class_name=type(session).__name__ if _NO_NAMES.fullmatch(graph) else graph,
        name=name,
        version=version,
        file=base_name(_path(session)),
    )


def _version() -> str:
    return str(getattr(sys.modules.get("onnxruntime"), "__version__", ""))


def _path(session: Any) -> object:
    if not hasattr(session, "_model_path"):
        once(
            "onnxruntime.path",
            "onnxruntime %s: sessions no longer say which file they came from, so no model is "
            "named by its file. Look for an update of tidegauge-onnxruntime.",
            _version(),
        )
    return getattr(session, "_model_path", None)


def features(feed: Any) -> Any:
    """Return the table that a feed is: one input of two dimensions, or inputs of a column each.

    A text is as many tokens. All else is counted: images, sequences, what lies on a device.
    """
    if type(feed) is dict and len(feed) == 1:  # nearly always
        (name,) = feed
        value = feed[name]
        if type(value) is ndarray and name not in _WORDS:
            dtype = value.dtype
            if dtype is _FLOAT32 or dtype.kind in _NUMBERS:
                return value  # an image is counted, like all that is no table
    if not isinstance(feed, Mapping) or not feed:
        return None  # the session will refuse it
    if not _WORDS.isdisjoint(feed):
        return _lengths(feed)
    return _row(feed) or _rows_of(feed)


def _row(feed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the values of one row, if that is what inputs of a column each hold."""
    row = {}
    for name, value in feed.items():
        if type(value) is not ndarray or value.size != 1 or not 1 <= value.ndim <= _TABLE:
            return None
        row[name] = value.item()
    return row if len(row) > 1 else None


def _lengths(feed: Mapping[str, Any]) -> Lazy:
    """Return how long each text is: by the mask that tells its words from padding, if there is one.

    What words they are does not leave the app.
    """
    shape = next(_shape(value) for name, value in feed.items() if name in _WORDS)
    rows, width = shape if len(shape) == _TABLE else (_rows([shape]), 0)
    mask = feed.get("attention_mask")

    def read(start: int, step: int) -> list[dict[str, float]] | None:
        if mask is not None and _is_here(mask) and _shape(mask) == (rows, width):
            counts = _chosen(mask, start, step).sum(axis=1).tolist()
        else:
            counts = [width] * len(range(start, rows, step))
        return [{"tokens": float(count)} for count in counts] if width else None

    return Lazy(rows, read)


def _rows_of(feed: Mapping[str, Any]) -> Lazy:
    shapes = list(map(_shape, feed.values()))
    rows = _rows(shapes)
    if all(map(_is_here, feed.values())):
        if len(shapes) == 1 and 1 <= len(shapes[0]) <= _TABLE:
            return Lazy(rows, partial(_alone, next(iter(feed.values()))))
        if all(shape in ((rows,), (rows, 1)) for shape in shapes):
            return Lazy(rows, partial(_side_by_side, feed))
    return Lazy(rows, _nothing)


def outputs(result: Any) -> Any:
    """Return what was predicted for each row: probabilities or numbers, or else the label."""
    labels: list[Array] = []
    tables: list[Array] = []
    wide: list[Array] = []
    for part in result if isinstance(result, list | tuple) else ():
        if isinstance(part, list) and part and isinstance(part[0], Mapping):
            if len(part[0]) <= _MAX_OUTPUTS:
                return _lazy(_by_class, part)
        elif (table := _array(part)) is not None and 1 <= table.ndim <= _TABLE:
            width = 1 if table.ndim == 1 else table.shape[1]
            if table.dtype.kind == "f":
                (tables if width <= _MAX_OUTPUTS else wide).append(table)
            elif width == 1:
                labels.append(table)
    if tables:
        return _numbers(tables, labelled=bool(labels))
    return _lazy(_as_text, labels[0]) if labels else _lazy(_projected, *wide[:1])


_outputs_of = adapted(outputs)


def answers(result: Any, rows: int, start: int, step: int, _: object = None) -> Snapshot:
    """Return a copy of what was predicted for the chosen rows: ``sampling.outputs_of`` of it."""
    if rows == 1 and not start and type(result) is list and len(result) == 1:
        only = result[0]
        if type(only) is ndarray and only.dtype is _FLOAT32 and only.size == 1 and only.ndim:
            return [only.item()]  # nearly always
    return _outputs_of(result, rows, start, step)


def _numbers(tables: Sequence[Array], *, labelled: bool) -> Any:
    first = tables[0]
    tables = [table for table in tables if len(table) == len(first)]
    if len(tables) > 1:
        return Lazy(len(first), partial(_joined, tables))
    return _lazy(_of_two, first) if labelled and first.shape[1:] == (_BINARY,) else first


def _lazy(read: Callable[..., Any], rows: Any = None) -> Any:
    """Read chosen rows later, but one alone at once: that is quicker."""
    if rows is None:
        return None
    return read(rows, 0, 1) if len(rows) == 1 else Lazy(len(rows), partial(read, rows))


def bound_rows(binding: Any) -> int:
    """Return the first dimension of what a binding holds now; 1 where it says nothing."""
    shapes = [tuple(value.shape()) for value in binding.get_outputs() if value.is_tensor()]
    return _rows(shapes)


# -- shapes ------------------------------------------------------------------------------------


def _shape(value: Any) -> tuple[int, ...]:
    """Return a value's dimensions, as far as it has any, without a look at what is in it."""
    if isinstance(value, ndarray):
        return tuple(value.shape)
    if isinstance(value, list | tuple):
        return (len(value), *(_shape(value[0]) if value else ()))
    shape = getattr(value, "shape", getattr(value, "dense_shape", ()))
    if callable(shape):  # an OrtValue, a sparse tensor
        shape = shape() if getattr(value, "is_tensor", bool)() or hasattr(value, "values") else ()
    return tuple(map(int, shape))


def _rows(shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the first dimension of the first input that has rows; beside it may be parameters."""
    tables = [shape for shape in shapes if len(shape) >= _TABLE]
    rows: tuple[int, ...] = next(iter(tables or filter(None, shapes)), (1,))
    return rows[0]


def _is_here(value: Any) -> bool:
    """Say whether a value can be read without the help of a device."""
    if isinstance(value, ndarray | list):
        return True
    return hasattr(value, "numpy") and value.device_name() == "cpu" and value.is_tensor()


def _array(value: Any) -> Array | None:
    if isinstance(value, ndarray):
        return value
    return value.numpy() if hasattr(value, "numpy") and _is_here(value) else None


# -- chosen rows -------------------------------------------------------------------------------


def _nothing(start: int, step: int) -> None:  # noqa: ARG001 - as all that read
    return None


def _chosen(value: Any, start: int, step: int) -> Array:
    if type(value) is ndarray:
        rows: Array = value[start::step]
        return rows
    return np.asarray((value.numpy() if hasattr(value, "numpy") else value)[start::step])


def _alone(value: Any, start: int, step: int) -> Array | None:
    rows = _chosen(value, start, step)
    # Of a column of text nobody knows whether it is a category or an essay.
    text = rows.dtype.kind not in _NUMBERS and (rows.ndim == 1 or rows.shape[1] == 1)
    return None if text else rows


def _side_by_side(feed: Mapping[str, Any], start: int, step: int) -> list[dict[str, Any]]:
    columns = [_chosen(value, start, step).ravel().tolist() for value in feed.values()]
    return [dict(zip(feed, row, strict=True)) for row in zip(*columns, strict=True)]


def _by_class(rows: list[Mapping[Any, float]], start: int, step: int) -> list[Any]:
    """Name probabilities by their class; of two the second's is kept: the first says the same."""
    kept = list(rows[0])[1 if len(rows[0]) == _BINARY else 0 :]
    return [{str(key): row.get(key) for key in kept} for row in rows[start::step]]


def _of_two(table: Array, start: int, step: int) -> Any:
    """Do the same with a table, if probabilities are what it holds."""
    rows = table[start::step].tolist()
    if all(abs(first + second - 1.0) <= _NEAR_ONE for first, second in rows):
        return [{"1": second} for _, second in rows]
    return rows


def _projected(table: Array, start: int, step: int) -> Array | None:
    """Turn an embedding into a few columns that keep distances."""
    return project(table[start::step]) if table.shape[1] <= MAX_WIDTH else None


def _joined(tables: Sequence[Array], start: int, step: int) -> Array | None:
    chosen = [table[start::step].reshape(len(table[start::step]), -1) for table in tables]
    joined = np.hstack(chosen)
    return joined if joined.shape[1] <= _MAX_OUTPUTS else chosen[0]


def _as_text(labels: Array, start: int, step: int) -> Array:
    """Labels are categories, whatever they are made of."""
    return np.array([str(label) for label in labels[start::step].reshape(-1)], dtype=object)
