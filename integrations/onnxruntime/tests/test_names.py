"""What a session's model is called: by its exporter's metadata, its file, its graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tidegauge import guard, set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge_onnxruntime import OnnxruntimeInstrumentor
from tidegauge_onnxruntime._extract import describe
from tidegauge_testkit import onnx_models
from tidegauge_testkit.recording import Recording

Open = Callable[[Any], Any]
ROW = {"X": np.ones((1, 3), np.float32)}


def write(path: Path, **said: Any) -> Path:
    """Write a model to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx_models.linear(**said))
    return path


@pytest.mark.parametrize("kind", [Path, str])
def test_a_model_goes_by_its_file(
    recording: Recording, opened: Open, tmp_path: Path, kind: type
) -> None:
    """Its base name; never a path."""
    opened(kind(write(tmp_path / "customer_4711" / "fraud_v3.onnx"))).run(None, ROW)
    assert recording.versions() == {("fraud_v3", "")}


def test_what_the_exporter_says_comes_first(
    recording: Recording, opened: Open, tmp_path: Path
) -> None:
    """Metadata are a registry's word; a version is one with a name only."""
    said = {
        "a": {"model_name": "fraud", "model_version": "3"},
        "b": {"name": "churn", "version": "4"},
        "c": {"name": "load"},
        "d": {"version": "8.3.0", "author": "an exporter"},
        "e": {"name": " ", "model_version": "9"},
        "f": {"name": "/home/somebody/customer/scores.onnx"},
        "g": {"model_name": "hub/owner/text"},
    }
    for file, metadata in said.items():
        opened(write(tmp_path / f"{file}.onnx", metadata=metadata)).run(None, ROW)
    assert recording.versions() == {
        ("fraud", "3"), ("churn", "4"), ("load", ""), ("d", ""), ("e", ""),
        ("scores.onnx", ""), ("text", ""),
    }  # fmt: skip


@pytest.mark.parametrize("version", [1, 20240131])
def test_the_models_own_version_is_its_version(
    recording: Recording, opened: Open, tmp_path: Path, version: int
) -> None:
    """Where the exporter has set one; metadata that go with a name say it better."""
    opened(write(tmp_path / "fraud.onnx", version=version)).run(None, ROW)
    named = {"name": "churn", "version": "b"}
    opened(write(tmp_path / "churn.onnx", version=version, metadata=named)).run(None, ROW)
    assert recording.versions() == {("fraud", str(version)), ("churn", "b")}


GENERIC = [
    "", "  ", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx", "sequential_1", "model",
    "ONNX(LogisticRegression)", "ONNX(Pipeline)", "onnx-graph", "paddle-onnx", "g", "test",
    "5f2b9b0c6ed94c1f8a0e1f9a64d5c1b7", "9066494b-ad25-46df-bf5a-53923f9cd8f3",
]  # fmt: skip


@pytest.mark.parametrize("graph", GENERIC)
def test_what_converters_call_a_graph_is_no_name(
    recording: Recording, opened: Open, graph: str
) -> None:
    """Without a file nothing is left but the class."""
    opened(onnx_models.linear(graph=graph)).run(None, ROW)
    assert recording.models() == {"InferenceSession"}


def test_a_graph_that_somebody_named_is_better_than_a_class(
    recording: Recording, opened: Open, tmp_path: Path
) -> None:
    """A model in memory has nothing else, nor has ``model.onnx``; a file that says more wins."""
    opened(onnx_models.linear(graph="fraud_detection")).run(None, ROW)
    opened(write(tmp_path / "model.onnx", graph="churn_of_2026")).run(None, ROW)
    opened(write(tmp_path / "load.onnx", graph="whatever")).run(None, ROW)
    assert recording.models() == {"fraud_detection", "churn_of_2026", "load"}


def test_files_are_named_by_the_environment(
    instrumented: OnnxruntimeInstrumentor, opened: Open, tmp_path: Path
) -> None:
    """``file=name`` pairs, two models in one process; what the app itself says is above all."""
    settings = CoreSettings(model_name="a.onnx=fraud,b=churn,rest", model_version="a=3,b=4")
    with Recording(settings) as recording:
        for file in ("a", "b", "c"):
            opened(write(tmp_path / f"{file}.onnx")).run(None, ROW)
        named = opened(write(tmp_path / "a.onnx"))
        set_model_info(named, "mine", "5")
        named.run(None, ROW)
        assert recording.versions() == {("fraud", "3"), ("churn", "4"), ("rest", ""), ("mine", "5")}


def test_a_session_that_was_derived_from_is_named_alike(
    recording: Recording, tmp_path: Path
) -> None:
    """A class of the app's that overrides ``run`` is one call, under the file's name."""

    class Scaled(ort.InferenceSession):  # type: ignore[misc]
        def run(self, names: Any, feed: Any, options: Any = None) -> Any:
            return super().run(names, {"X": feed["X"] * 2}, options)

    model = Scaled(write(tmp_path / "fraud.onnx"), providers=["CPUExecutionProvider"])
    model.run(None, ROW)
    Scaled(onnx_models.linear(), providers=["CPUExecutionProvider"]).run(None, ROW)
    assert {name: counts.success for (name, _), counts in recording.counts().items()} == {
        "fraud": 1,
        "Scaled": 1,
    }


def test_sessions_that_do_not_say_their_file_are_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The attribute is private: where a release has none, models go by their graph or class."""
    guard.reset()
    meta = SimpleNamespace(custom_metadata_map={}, version=0, graph_name="fraud")
    session = SimpleNamespace(get_modelmeta=lambda: meta)
    for _ in range(2):
        assert (describe(session).class_name, describe(session).file) == ("fraud", "")
    assert len([line for line in caplog.messages if "which file" in line]) == 1
    guard.reset()
