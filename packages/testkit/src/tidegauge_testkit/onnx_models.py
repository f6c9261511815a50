"""Small ONNX models, written down node by node: no training, no converter. Needs ``onnx``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What every runtime since 1.20 reads.
_IR_VERSION = 8
_OPSET = 13
_ML = "ai.onnx.ml"


def linear(
    weights: Sequence[float] = (1.0, 2.0, 3.0),
    *,
    graph: str = "main_graph",
    version: int = 0,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Return ``Y = X @ weights``: one input of many columns, one number a row."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - whoever needs no model needs no onnx

    width = len(weights)
    model = _model(
        graph,
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        [tensor("X", TensorProto.FLOAT, None, width)],
        [tensor("Y", TensorProto.FLOAT, None, 1)],
        [helper.make_tensor("W", TensorProto.FLOAT, [width, 1], list(weights))],
    )
    if version:
        model.model_version = version
    helper.set_model_props(model, dict(metadata or {}))
    return _bytes(model)


def columns(names: Sequence[str] = ("age", "income"), text: str = "city") -> bytes:
    """Return the sum of numeric inputs of one column each, beside one of text that has no say."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    return _bytes(
        _model(
            "main_graph",
            [
                helper.make_node("Sum", list(names), ["Y"]),
                helper.make_node("Identity", [text], ["same"]),
            ],
            [
                *(tensor(name, TensorProto.FLOAT, None, 1) for name in names),
                tensor(text, TensorProto.STRING, None, 1),
            ],
            [tensor("Y", TensorProto.FLOAT, None, 1), tensor("same", TensorProto.STRING, None, 1)],
        )
    )


def classifier(classes: Sequence[int] | Sequence[str] = (0, 1), *, zipmap: bool = True) -> bytes:
    """Return a softmax of two features, as scikit-learn's classifiers are exported.

    Outputs are the label, and the probabilities: a dict a row, or without ``zipmap`` a table.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415

    text = isinstance(classes[0], str)
    kind = TensorProto.STRING if text else TensorProto.INT64
    labels: dict[str, Any] = {"classlabels_strings" if text else "classlabels_ints": list(classes)}
    keys: dict[str, Any] = {"classlabels_strings" if text else "classlabels_int64s": list(classes)}
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["X"],
            ["label", "table"],
            domain=_ML,
            coefficients=[float(i * j) for i in range(len(classes)) for j in (1, 2)],
            intercepts=[0.0] * len(classes),
            post_transform="SOFTMAX",
            multi_class=1,
            **labels,
        )
    ]
    last = tensor("table", TensorProto.FLOAT, None, len(classes))
    if zipmap:
        nodes.append(helper.make_node("ZipMap", ["table"], ["maps"], domain=_ML, **keys))
        number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        row = helper.make_map_type_proto(kind, number)
        last = helper.make_value_info("maps", helper.make_sequence_type_proto(row))
    inputs = [tensor("X", TensorProto.FLOAT, None, 2)]
    return _bytes(_model("main_graph", nodes, inputs, [tensor("label", kind, None), last]))


def image(outputs: int = 3) -> bytes:
    """Return the mean of each channel of images of any size."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    return _bytes(
        _model(
            "main_graph",
            [
                helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
                helper.make_node("Flatten", ["mean"], ["Y"]),
            ],
            [tensor("pixels", TensorProto.FLOAT, None, outputs, None, None)],
            [tensor("Y", TensorProto.FLOAT, None, outputs)],
        )
    )


def same(**inputs: tuple[int, tuple[int | None, ...]]) -> bytes:
    """Return each input as it is: element type of ONNX and shape, by name."""
    from onnx import helper  # noqa: PLC0415

    return _bytes(
        _model(
            "main_graph",
            [helper.make_node("Identity", [name], [f"{name}_out"]) for name in inputs],
            [tensor(name, kind, *shape) for name, (kind, shape) in inputs.items()],
            [tensor(f"{name}_out", kind, *shape) for name, (kind, shape) in inputs.items()],
        )
    )


def tensor(name: str, kind: int, *shape: int | None) -> Any:
    """Return the declaration of an input or output; None: of any size."""
    from onnx import helper  # noqa: PLC0415

    return helper.make_tensor_value_info(name, kind, list(shape))


def _model(graph: str, nodes: Any, inputs: Any, outputs: Any, constants: Sequence[Any] = ()) -> Any:
    from onnx import helper  # noqa: PLC0415

    return helper.make_model(
        helper.make_graph(nodes, graph, inputs, outputs, list(constants)),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_ML, 1)],
        ir_version=_IR_VERSION,
    )


def _bytes(model: Any) -> bytes:
    content: bytes = model.SerializeToString()
    return content
