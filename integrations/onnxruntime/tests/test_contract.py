"""ONNX Runtime keeps the contract of integrations, by ``run``; other ways have their own tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from tidegauge_onnxruntime import OnnxruntimeInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


def linear() -> bytes:
    """Return a model, made here: what measures scenarios has nothing of the tests' own modules."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        "main_graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("W", TensorProto.FLOAT, [3, 1], [1.0, 2.0, 3.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


class OnnxScenario(Scenario):
    """A product of matrices, asked by ``run``."""

    library: ClassVar[str] = "onnxruntime"
    plugin: ClassVar[str] = "tidegauge_onnxruntime"
    operation: ClassVar[str] = "run"
    model_name: ClassVar[str] = "InferenceSession"
    picklable: ClassVar[bool] = False
    inputs: ClassVar[frozenset[str]] = frozenset({"float32", "lists"})

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return OnnxruntimeInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class from which sessions have their methods."""
        from onnxruntime.capi.onnxruntime_inference_collection import Session

        return Session, "run"

    def fit(self) -> Any:
        """Return a session of a model of three features."""
        return self.open(linear())

    def open(self, model: Any, kind: Any = None) -> Any:
        """Return a session that computes on the thread that asks."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return (kind or onnxruntime.InferenceSession)(model, options)

    def reload(self, model: Any, folder: Path) -> Any:
        """Open a file."""
        file = folder / "fraud_v3.onnx"
        file.write_bytes(linear())
        return self.open(file)

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import numpy as np

        return np.random.default_rng(5).normal(size=(rows, 3)).astype(np.float32)

    def predict(self, model: Any, data: Any) -> Any:
        """Call ``run``."""
        return model.run(None, {"X": data})

    def numbers(self, result: Any) -> list[float]:
        """Return the only output."""
        (output,) = result
        return [float(value) for value in output.reshape(-1)]

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a session that refuses its inputs."""
        from onnxruntime import InferenceSession

        class Failing(InferenceSession):  # type: ignore[misc]
            def _validate_input(self, names: Any) -> None:
                raise error

        return self.open(linear(), Failing), self.data(2)


class TestOnnxruntime(IntegrationContract):
    """All promises, for ONNX Runtime."""

    scenario = OnnxScenario()
