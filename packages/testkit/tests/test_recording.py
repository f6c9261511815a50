"""A recording sees its own block, and nothing else."""

from __future__ import annotations

import threading

from tidegauge import Model, pipeline
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge_testkit.recording import Recording


def predict(name: str, times: int = 1) -> None:
    """Record calls of one row with two features."""
    model = Model(name)
    for _ in range(times):
        with model.prediction([1.0, 2.0]) as p:
            p.output = 0.5


def test_each_recording_starts_at_zero() -> None:
    """What was recorded before, and what comes after, is not in it."""
    predict("before")
    with Recording() as first:
        predict("first", 3)
        assert first.calls() == 3
    predict("between")
    with Recording() as second:
        predict("second")
    assert (first.models(), second.models()) == ({"first"}, {"second"})
    assert (first.calls(), second.calls()) == (3, 1)
    assert first.rows().used == 3
    assert [batch.model.name for batch in second.batches()] == ["second"]
    assert second.faults() == {}


def test_a_recording_puts_everything_back() -> None:
    """Settings, channels and the process's own pipeline are those of before; no thread is left."""
    before = (shared.settings, shared.channels, shared.stride, pipeline.current())
    with Recording(CoreSettings(model_name="other")):
        assert shared.settings.model_name == "other"
        predict("any")
        assert [t.name for t in threading.enumerate() if t.name == "tidegauge"] == ["tidegauge"]
    assert (shared.settings, shared.channels, shared.stride, pipeline.current()) == before
    assert [t for t in threading.enumerate() if t.name == "tidegauge"] == []
