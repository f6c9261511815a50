"""What an integration keeps at each call: one record, and nobody can tell."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import pickle
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from opentelemetry.context import attach, detach, set_value
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, set_span_in_context
from tidegauge import suppress
from tidegauge.observe import Decorator
from tidegauge.patcher import Functions
from tidegauge.runtime import shared

from tidegauge_testkit.contracts.case import ROWS, Boom, Case, arguments, boom
from tidegauge_testkit.contracts.scenario import Scenario
from tidegauge_testkit.recording import Recording


class BrokenSpan(NonRecordingSpan):
    """A span of a tracer that has a fault."""

    def is_recording(self) -> bool:
        """Fail."""
        raise Boom


class TransparencyContract(Case):
    """Each test tells one promise."""

    # -- one call, one record ------------------------------------------------------------------

    def test_one_call_is_one_record(self, recording: Recording, model: Any) -> None:
        """A call is one request of one model with its rows, whatever it calls inside."""
        self.ask(model)
        counts = recording.counts()
        assert list(counts) == [(self.scenario.model_name, self.scenario.operation)]
        (only,) = counts.values()
        assert (only.success, only.rows, only.cancelled, dict(only.errors)) == (1, ROWS, 0, {})
        assert float(only.latency.counts.sum()) == 1
        rows = recording.rows()
        assert (rows.seen, rows.used, rows.dropped) == (ROWS, ROWS, 0)
        (batch,) = recording.batches()
        assert batch.features is not None
        assert (batch.features.rows, batch.stride) == (ROWS, 1)
        assert recording.faults() == {}

    def test_threads_lose_and_double_nothing(self, recording: Recording, model: Any) -> None:
        """Four threads with 25 calls each are 100 calls."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: [self.ask(model) for _ in range(25)], range(4)))
        assert recording.calls() == 100
        assert recording.rows().seen == 100 * ROWS

    def test_async_code_loses_and_doubles_nothing(self, recording: Recording, model: Any) -> None:
        """Fifty calls by ``asyncio.to_thread`` are fifty calls."""

        async def serve() -> None:
            await asyncio.gather(*(asyncio.to_thread(self.ask, model) for _ in range(50)))

        asyncio.run(serve())
        assert recording.calls() == 50

    def test_many_tasks_of_one_thread_are_told_apart(
        self, recording: Recording, model: Any
    ) -> None:
        """Calls on the event loop itself, each in a task of its own, are as many calls."""

        async def one() -> None:
            await asyncio.sleep(0)
            self.ask(model)

        async def serve() -> None:
            await asyncio.gather(*(one() for _ in range(50)))

        asyncio.run(serve())
        assert recording.calls() == 50

    def test_an_async_method_is_one_call(self, recording: Recording, model: Any) -> None:
        """A method that is awaited is a call, whatever it asks while it runs."""
        with arguments(self.wrapper()) as found:
            self.ask(model)
        ((args, named),) = found

        async def method(self_: Any, *_: Any, **__: Any) -> Any:
            await asyncio.sleep(0)
            return self.ask(self_)

        decorated = _decorator(self.scenario)(method)

        async def serve() -> list[Any]:
            return await asyncio.gather(*(decorated(*args, **named) for _ in range(10)))

        numbers = {tuple(self.scenario.numbers(answer)) for answer in asyncio.run(serve())}
        assert numbers == {tuple(self.scenario.numbers(self.ask(model)))}
        assert recording.calls() == 12

    def test_a_call_does_not_silence_what_it_starts(self, recording: Recording, model: Any) -> None:
        """After a call the same thread records again, also after one that raised."""
        failing, data = self.scenario.failing(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            self.scenario.predict(failing, data)
        self.ask(model)
        assert recording.calls() == 2

    def test_suppressed_calls_are_not_recorded(self, recording: Recording, model: Any) -> None:
        """``suppress`` and OpenTelemetry's own switch turn recording off, for their block alone."""
        with suppress():
            self.ask(model)
        token = attach(set_value("suppress_instrumentation", True))
        self.ask(model)
        detach(token)
        assert recording.calls() == 0
        self.ask(model)
        assert recording.calls() == 1

    # -- the caller cannot tell ----------------------------------------------------------------

    def test_the_result_is_what_the_library_returned(
        self, recording: Recording, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same object comes back, not one that is equal."""
        returned: list[Any] = []
        calls = getattr(model, self.scenario.operation).__func__.__tidegauge__
        outputs = calls.outputs

        def look(result: Any, *rest: Any) -> Any:
            returned.append(result)
            return outputs(result, *rest)

        monkeypatch.setattr(calls, "outputs", look)
        result = self.ask(model)
        assert [result is each for each in returned] == [True]
        assert recording.calls() == 1
        with suppress():
            assert self.scenario.numbers(self.ask(model)) == self.scenario.numbers(result)

    def test_the_input_is_not_touched(self, recording: Recording, model: Any) -> None:
        """What the caller passed has the same content afterwards."""
        data = self.scenario.data(ROWS)
        before = pickle.dumps(data)
        self.scenario.predict(model, data)
        assert recording.calls() == 1
        assert pickle.dumps(data) == before

    def test_no_reference_is_kept(self, recording: Recording) -> None:
        """After a call nothing of ours keeps the model alive."""
        fresh = self.scenario.fit()
        self.ask(fresh)
        reference = weakref.ref(fresh)
        del fresh
        gc.collect()
        assert reference() is None
        assert recording.calls() == 1

    @pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, MemoryError])
    def test_an_exception_is_the_callers(self, recording: Recording, kind: type[Exception]) -> None:
        """The same object is raised, from the frame that raised it, and counted by its type."""
        error = kind("no")
        model, data = self.scenario.failing(error)
        with suppress(), pytest.raises(type(error)) as before:
            self.scenario.predict(model, data)
        expected = [(f.filename, f.name) for f in traceback.extract_tb(before.tb)][1:]
        error.__traceback__ = None
        with pytest.raises(type(error)) as caught:
            self.scenario.predict(model, data)
        assert caught.value is error
        assert (error.__cause__, error.__context__) == (None, None)
        found = [(f.filename, f.name) for f in traceback.extract_tb(caught.tb)][1:]
        assert found == expected
        assert dict(recording.errors()) == {type(error).__name__: 1}
        assert recording.cancelled() == 0

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
    def test_an_interrupted_call_is_no_error(
        self, recording: Recording, kind: type[BaseException]
    ) -> None:
        """Who breaks a call off is no fault of the model: it is counted apart."""
        model, data = self.scenario.failing(kind())
        with pytest.raises(kind):
            self.scenario.predict(model, data)
        assert (recording.cancelled(), dict(recording.errors())) == (1, {})

    def test_the_method_is_still_a_method(self, model: Any) -> None:
        """Other tools that look at the model find what they know."""
        assert inspect.ismethod(getattr(model, self.scenario.operation))

    # -- nothing of ours gets out --------------------------------------------------------------

    @pytest.mark.parametrize("part", ["lookup", "describe", "sample", "outputs", "check"])
    def test_a_fault_of_ours_stays_ours(
        self, model: Any, part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever breaks in our hooks, the caller gets the answer and we count the fault."""
        calls = getattr(model, self.scenario.operation).__func__.__tidegauge__
        expected = self.scenario.numbers(self.ask(model))
        with Recording() as recording:
            monkeypatch.setattr(calls, part, boom)
            assert self.scenario.numbers(self.ask(model)) == expected
            monkeypatch.undo()
            lost = part == "lookup"  # nobody knows whose call it was
            cause = f"{'lost' if lost else 'record'}.{self.scenario.operation}:Boom"
            assert list(recording.faults()) == [cause]
            assert self.scenario.numbers(self.ask(model)) == expected
            assert recording.calls() == (1 if lost else 2)

    def test_a_broken_span_stays_the_tracers(self, recording: Recording, model: Any) -> None:
        """A span that raises costs neither the answer nor the record."""
        token = attach(set_span_in_context(BrokenSpan(INVALID_SPAN_CONTEXT)))
        self.ask(model)
        detach(token)
        assert list(recording.faults()) == [f"record.{self.scenario.operation}:Boom"]
        assert recording.calls() == 1

    @pytest.mark.parametrize("fails", [False, True])
    def test_a_full_stop_of_ours_stays_ours(
        self, recording: Recording, model: Any, fails: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock or a buffer that raises changes no answer, no exception and no count."""
        error = ValueError("the model's")
        failing, data = self.scenario.failing(error)
        expected = self.scenario.numbers(self.ask(model))
        with pytest.raises(ValueError, match="the model's"):
            self.scenario.predict(failing, data)
        recording.calls()

        def ask() -> None:
            if fails:
                with pytest.raises(ValueError, match="the model's") as caught:
                    self.scenario.predict(failing, data)
                assert caught.value is error
            else:
                assert self.scenario.numbers(self.ask(model)) == expected

        monkeypatch.setattr(shared, "clock", boom)
        ask()
        monkeypatch.undo()
        for channel in shared.channels.all():
            monkeypatch.setattr(channel, "append", boom)
        ask()
        monkeypatch.undo()
        # Where the library is slow, the background thread asks the clock as well.
        faults = {cause: n for cause, n in recording.faults().items() if cause[:7] == "record."}
        assert faults == {f"record.{self.scenario.operation}:Boom": 2}
        assert recording.calls() == 2 + 2

    def test_no_thread_of_the_app_is_lost(self, recording: Recording, model: Any) -> None:
        """There is one background thread at most, and it keeps no process alive."""
        self.ask(model)
        ours = [thread for thread in threading.enumerate() if thread.name == "tidegauge"]
        assert [thread.daemon for thread in ours] == [True]
        assert recording.calls() == 1


def _decorator(scenario: Scenario) -> Decorator:
    """Return what the integration wraps the scenario's operation with."""
    for patch in importlib.import_module(f"{scenario.plugin}._patches").PATCHES:
        known = patch.functions if isinstance(patch, Functions) else patch.methods
        if scenario.owner()[1] in known:
            return cast("Decorator", known[scenario.owner()[1]])
    raise AssertionError(f"{scenario.plugin}._patches.PATCHES has no {scenario.owner()[1]}")
