"""``predict_stream``: a call lasts until its answer is read to the end, or given up."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tidegauge_mlflow import MlflowInstrumentor
from tidegauge_testkit.recording import Recording

from .conftest import Registry


class Streams:
    """A model that answers in pieces, and asks another for each."""

    def __init__(self, inner: Any = None, error: BaseException | None = None) -> None:
        self.inner = inner
        self.error = error

    def predict(self, data: Any) -> Any:
        """Answer at once."""
        return list(self.predict_stream(data))

    def predict_stream(self, data: Any) -> Iterator[str]:
        """Answer in pieces."""
        for piece in ("a", "b", "c"):
            if self.inner is not None:
                self.inner.predict(np.zeros((1, 2)))
            yield piece
        if self.error is not None:
            raise self.error


def model(registry: Registry, **kwargs: Any) -> Any:
    """Return a pyfunc model of the class above."""
    return registry.mlflow.pyfunc.PyFuncModel(
        registry.mlflow.models.Model(), Streams(**kwargs), predict_stream_fn="predict_stream"
    )


def outcome(recording: Recording) -> tuple[int, int, dict[str, int]]:
    """Return how many streams succeeded, were given up, and failed."""
    counts = recording.counts().values()
    assert recording.faults() == {}
    return (
        sum(count.success for count in counts),
        recording.cancelled(),
        dict(recording.errors()),
    )


@pytest.mark.usefixtures("estimators")
def test_a_stream_is_one_request(recording: Recording, registry: Registry) -> None:
    """What it asks for each piece is no request of its own; what its reader asks is."""
    classifier = LogisticRegression().fit(np.eye(2), [0, 1])
    stream = model(registry, inner=classifier).predict_stream({"question": "why"})
    assert inspect.isgenerator(stream)
    pieces = []
    for piece in stream:
        pieces.append(piece)
        classifier.predict_proba(np.zeros((1, 2)))
    assert pieces == ["a", "b", "c"]
    assert recording.calls("predict_stream") == 1
    assert recording.calls("predict_proba") == 3
    assert recording.calls() == 4
    assert recording.faults() == {}


def test_a_stream_that_is_given_up_is_cancelled(recording: Recording, registry: Registry) -> None:
    """Closed, or read no further; one that nobody reads is no request."""
    stream = model(registry).predict_stream({"question": "why"})
    assert next(stream) == "a"
    stream.close()
    assert outcome(recording) == (0, 1, {})
    for _ in model(registry).predict_stream({"question": "why"}):
        break
    assert outcome(recording) == (0, 2, {})
    model(registry).predict_stream({"question": "why"})
    assert outcome(recording) == (0, 2, {})


def test_a_stream_that_fails_is_an_error(recording: Recording, registry: Registry) -> None:
    """Midway, or at once because the model has no stream."""
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        list(model(registry, error=error).predict_stream({"question": "why"}))
    assert caught.value is error
    whole = registry.mlflow.pyfunc.PyFuncModel(registry.mlflow.models.Model(), Streams())
    with pytest.raises(registry.mlflow.exceptions.MlflowException, match="does not support"):
        list(whole.predict_stream({"question": "why"}))
    assert outcome(recording) == (0, 0, {"ValueError": 1, "MlflowException": 1})
    with pytest.raises(TypeError, match="data"):
        whole.predict_stream()


def test_inside_a_call_it_is_no_call(
    recording: Recording, registry: Registry, instrumented: MlflowInstrumentor
) -> None:
    """A model that streams from another, and one whose integration is gone meanwhile."""
    inner = model(registry)

    class Outer:
        def predict(self, data: Any) -> Any:
            return list(inner.predict_stream(data))

    outer = registry.mlflow.pyfunc.PyFuncModel(registry.mlflow.models.Model(), Outer())
    assert outer.predict({"question": "why"}) == ["a", "b", "c"]
    assert {operation: counts.success for (_, operation), counts in recording.counts().items()} == {
        "predict": 1
    }
    bound = inner.predict_stream
    instrumented.uninstrument()
    assert list(bound({"question": "why"})) == ["a", "b", "c"]
    assert recording.calls() == 1
