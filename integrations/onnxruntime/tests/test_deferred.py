"""The ways to run a session that return no result: bound values, and a callback for later."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tidegauge import suppress
from tidegauge.runtime import shared
from tidegauge_testkit import onnx_models
from tidegauge_testkit.contracts.case import Boom, boom
from tidegauge_testkit.recording import Recording

LIMIT_S = 30.0
Open = Callable[[Any], Any]


class Answer:
    """Waits for the callback of a call."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.got: list[tuple[Any, Any, str]] = []

    def __call__(self, results: Any, user_data: Any, error: str) -> None:
        """Keep what comes."""
        self.got.append((results, user_data, error))
        self.came.set()

    def wait(self) -> tuple[Any, Any, str]:
        """Return what came."""
        assert self.came.wait(LIMIT_S)
        return self.got[0]


def bind(session: Any, data: Any) -> Any:
    """Bind an input and room for an output."""
    binding = session.io_binding()
    binding.bind_cpu_input("X", data)
    binding.bind_output("Y")
    return binding


def ones(many: int, width: int = 3) -> Any:
    """Return so many rows."""
    return np.ones((many, width), np.float32)


# -- run_with_iobinding ------------------------------------------------------------------------


def test_bound_values_are_counted_and_not_looked_at(recording: Recording, opened: Open) -> None:
    """The shape of the outputs tells the rows, of each call its own."""
    session = opened(onnx_models.linear())
    for many in (4, 1, 7):
        binding = bind(session, ones(many))
        assert session.run_with_iobinding(binding) is None
        assert [[6.0]] * many == binding.get_outputs()[0].numpy().tolist()
    (counts,) = recording.counts().values()
    assert (counts.success, counts.rows) == (3, 12)
    assert list(recording.counts()) == [("InferenceSession", "run_with_iobinding")]
    rows = recording.rows()
    assert (rows.seen, rows.used, rows.dropped) == (12, 0, 12)
    assert recording.batches() == []
    assert recording.faults() == {}


def test_outputs_on_a_device_are_not_fetched(
    recording: Recording, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied, converted or waited for: each way to do so would fail here."""
    session = opened(onnx_models.linear())
    binding = bind(session, ones(3))
    for name in ("numpy", "__array__", "__dlpack__"):
        monkeypatch.setattr(ort.OrtValue, name, boom, raising=False)
    for name in ("copy_outputs_to_cpu", "synchronize_outputs", "synchronize_inputs"):
        monkeypatch.setattr(ort.IOBinding, name, boom)
    session.run_with_iobinding(iobinding=binding)
    monkeypatch.undo()
    assert (recording.calls(), recording.rows().seen) == (1, 3)
    assert recording.faults() == {}


def test_bound_calls_fail_as_they_do(recording: Recording, opened: Open) -> None:
    """Another session's binding is refused by ONNX Runtime, and counted."""
    session, other = opened(onnx_models.linear()), opened(onnx_models.linear((1.0, 1.0)))
    binding = other.io_binding()
    with pytest.raises(Exception, match=r".") as caught:
        session.run_with_iobinding(session.io_binding())
    with pytest.raises(TypeError):
        session.run_with_iobinding()
    with pytest.raises(AttributeError):
        session.run_with_iobinding(None)
    del binding
    kinds = {type(caught.value).__name__, "TypeError", "AttributeError"}
    assert set(recording.errors()) == kinds
    assert recording.faults() == {}


def test_bound_calls_are_suppressed_like_others(recording: Recording, opened: Open) -> None:
    """``suppress`` holds for them."""
    session = opened(onnx_models.linear())
    binding = bind(session, ones(2))
    with suppress():
        session.run_with_iobinding(binding)
    assert recording.calls() == 0


def test_a_binding_that_says_nothing_is_a_row(
    recording: Recording, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours at the end costs the rows, not the call."""
    session = opened(onnx_models.linear())
    binding = bind(session, ones(2))
    monkeypatch.setattr(ort.IOBinding, "get_outputs", boom)
    session.run_with_iobinding(binding)
    monkeypatch.undo()
    assert (recording.calls(), recording.rows().seen) == (1, 1)
    assert recording.faults() == {"record.iobinding:Boom": 1}


# -- run_async ---------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
def test_a_call_lasts_until_its_callback(recording: Recording, opened: Open, named: bool) -> None:
    """It is recorded when the result is there, with its rows and outputs."""
    session, answer, data = opened(onnx_models.linear()), Answer(), ones(4)
    if named:
        session.run_async(
            output_names=None, input_feed={"X": data}, callback=answer, user_data="mine"
        )
    else:
        session.run_async(None, {"X": data}, answer, "mine")
    (result,), user_data, error = answer.wait()
    assert (result.tolist(), user_data, error) == ([[6.0]] * 4, "mine", "")
    (counts,) = recording.counts().values()
    assert (counts.success, counts.rows) == (1, 4)
    assert list(recording.counts()) == [("InferenceSession", "run_async")]
    (batch,) = recording.batches()
    assert batch.features is not None
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert batch.outputs.matrix.tolist() == [[6.0]] * 4
    assert recording.faults() == {}


def test_its_latency_is_that_of_the_result(
    recording: Recording, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the callback is called nothing is recorded; the app's work in it counts for none."""
    session = opened(onnx_models.linear())
    recorded: list[int] = []
    done = threading.Event()

    def look(results: Any, user_data: Any, error: str) -> None:
        recorded.append(sum(len(channel.entries) for channel in shared.channels.all()))
        done.set()

    monkeypatch.setattr(type(recording._pipeline), "start", lambda _: None)
    told: list[Any] = []
    held = session.run_async.__func__.__wrapped__
    cell = next(c for c in session.run_async.__func__.__closure__ if c.cell_contents is held)
    monkeypatch.setattr(cell, "cell_contents", lambda *args, **_: told.append(args))
    session.run_async(None, {"X": ones(2)}, look, None)
    assert sum(len(channel.entries) for channel in shared.channels.all()) == 0
    told[0][3]([ones(2, 1)], None, "")
    assert recorded == [1]
    assert recording.calls() == 1


def test_what_goes_wrong_later_is_counted(recording: Recording, opened: Open) -> None:
    """ONNX Runtime tells the callback in words, which go no further."""
    session, answer = opened(onnx_models.linear()), Answer()
    session.run_async(None, {"X": ones(2, 5)}, answer, None)
    results, _, error = answer.wait()
    assert (results, "dimensions" in error) == ([], True)
    assert dict(recording.errors()) == {"RunAsyncError": 1}


def test_what_goes_wrong_at_once_is_raised(recording: Recording, opened: Open) -> None:
    """A missing input, a missing callback: the caller's error, once."""
    session, answer = opened(onnx_models.linear()), Answer()
    with pytest.raises(ValueError, match="missing"):
        session.run_async(None, {"Z": ones(2)}, answer, None)
    with pytest.raises(TypeError):
        session.run_async(None, {"X": ones(2)})
    with pytest.raises(TypeError):
        session.run_async(None, {"X": ones(2)}, "no callback", None)
    assert answer.got == []
    assert dict(recording.errors()) == {"ValueError": 1, "TypeError": 2}
    assert recording.faults() == {}


def test_many_at_a_time_lose_nothing(recording: Recording, opened: Open) -> None:
    """A hundred calls under way at once are a hundred calls."""
    session = opened(onnx_models.linear())
    answers = [Answer() for _ in range(100)]
    for many, answer in enumerate(answers, 1):
        session.run_async(None, {"X": ones(many)}, answer, None)
    for many, answer in enumerate(answers, 1):
        assert len(answer.wait()[0][0]) == many
    assert (recording.calls(), recording.rows().seen) == (100, 5050)
    assert recording.faults() == {}


def test_a_model_asked_in_the_callback_is_recorded(recording: Recording, opened: Open) -> None:
    """The next model of a chain is called there, and is a call of its own."""
    session, answer = opened(onnx_models.linear()), Answer()

    def chain(results: Any, user_data: Any, error: str) -> None:
        answer(session.run(None, {"X": ones(3)}), user_data, error)

    session.run_async(None, {"X": ones(2)}, chain, None)
    answer.wait()
    assert {name: counts.rows for (_, name), counts in recording.counts().items()} == {
        "run_async": 2,
        "run": 3,
    }


def test_a_fault_of_ours_keeps_no_result_from_the_app(
    recording: Recording, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks in the record, the callback is called with what it is called with."""
    session = opened(onnx_models.linear())
    calls = session.run_async.__func__.__tidegauge__
    for part in ("lookup", "sample", "outputs", "check"):
        answer = Answer()
        monkeypatch.setattr(calls, part, boom)
        session.run_async(None, {"X": ones(2)}, answer, None)
        assert answer.wait()[0][0].tolist() == [[6.0]] * 2
        monkeypatch.undo()
    assert set(recording.faults()) == {
        f"lost.run_async:{Boom.__name__}",
        f"record.run_async:{Boom.__name__}",
    }
    assert recording.calls() == 3


def test_nothing_keeps_what_was_asked(recording: Recording, opened: Open) -> None:
    """When the callback has been called, the session and the callback may go."""
    session, answer = opened(onnx_models.linear()), Answer()
    session.run_async(None, {"X": ones(2)}, answer, None)
    answer.wait()
    assert recording.calls() == 1
    references = weakref.ref(session), weakref.ref(answer)
    del session, answer
    deadline = threading.Event()
    for _ in range(300):  # the runtime's thread lets go a moment after the call
        gc.collect()
        if all(reference() is None for reference in references):
            break
        deadline.wait(0.1)
    assert [reference() for reference in references] == [None, None]
