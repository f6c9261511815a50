"""What an integration keeps around the calls: names, copies, pickles, processes, memory."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from tidegauge import identity, pipeline, set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared

from tidegauge_testkit.contracts.case import ROWS, Case, arguments, stand_in
from tidegauge_testkit.contracts.presence import PresenceContract
from tidegauge_testkit.contracts.processes import Said, run
from tidegauge_testkit.contracts.programs import (
    DUMP_ALONE,
    DUMP_IN_CHILD,
    EARLY,
    LATE,
    LOAD_WITH,
    LOAD_WITHOUT,
)
from tidegauge_testkit.recording import Recording


class LifecycleContract(Case, PresenceContract):
    """Each test tells one promise."""

    @pytest.fixture(scope="class")
    @classmethod
    def early(cls, folder: Path) -> Said:
        """Return what a process says that instruments before the library is there."""
        code, scenario = EARLY, cls.scenario
        if scenario.picklable and scenario.forkable:
            code += DUMP_IN_CHILD
        elif scenario.picklable:
            run(DUMP_ALONE, folder, scenario)
        return run(code + LOAD_WITH, folder, scenario, [scenario.library])

    @pytest.fixture(scope="class")
    @classmethod
    def late(cls, folder: Path, early: Said) -> Said:
        """Return what a process says that instruments when the library is in use."""
        assert early  # it wrote the pickles
        return run(LOAD_WITHOUT + LATE, folder, cls.scenario, ["tidegauge"])

    # -- names ---------------------------------------------------------------------------------

    def test_names_follow_their_precedence(self, model: Any) -> None:
        """Explicit, then the registry's, the environment's, the file's, the class's."""
        info = self.wrapper().__tidegauge__.describe(model)

        def named(name: str = "", version: str = "") -> tuple[str, str]:
            with Recording(CoreSettings(model_name=name, model_version=version)) as recording:
                self.ask(model)
                (found,) = recording.versions()
                return found

        own, version = self.scenario.model_name, info.version
        of_file = own if info.name or info.file else "fraud_v3"
        assert named() == (own, version)
        identity.loaded(model, "/srv/models/fraud_v3.bin")
        assert named() == (of_file, version)
        assert named("churn", "7") == (info.name or "churn", version or "7")
        if not info.file:
            by_file = named("fraud_v3.bin=fraud", "fraud_v3=8")
            assert by_file == (info.name or "fraud", version or "8")
        set_model_info(model, "explicit", "9")
        assert named("churn", "7") == ("explicit", "9")

    def test_two_models_stay_apart(self, recording: Recording, model: Any) -> None:
        """Each of two objects of one class has its own counts, and may be named when it is used."""
        other = self.scenario.fit()
        set_model_info(other, "fraud", "3")
        self.ask(model)
        self.ask(other)
        self.ask(other, 1)
        counts = {name: counts.rows for (name, _), counts in recording.counts().items()}
        assert counts == {self.scenario.model_name: ROWS, "fraud": ROWS + 1}
        set_model_info(model, "late")
        self.ask(model)
        assert recording.models() == {self.scenario.model_name, "fraud", "late"}

    # -- memory --------------------------------------------------------------------------------

    def test_models_that_come_and_go_leave_nothing(self, recording: Recording, model: Any) -> None:
        """A thousand short-lived models leave no trace in the caches of objects.

        Ten thousand, and longer runs, are tried in the core, with a model that costs nothing.
        """
        wrapper, data = self.wrapper(), self.scenario.data(1)
        with arguments(wrapper) as found:
            answer = self.scenario.predict(model, data)
        ((_, *rest), named) = found[0]
        gc.collect()
        before, channels = _cached(), len(shared.channels.all())
        with stand_in(wrapper, lambda *_, **__: answer):
            for _ in range(1000):
                wrapper(self.scenario.another(model), *rest, **named)
        gc.collect()
        assert _cached() == before
        assert len(shared.channels.all()) == channels
        assert recording.calls() == 1001
        # So many calls take long enough for the hint that nobody exports them.
        assert set(recording.faults()) <= {"attach.nothing"}

    def test_calls_leave_nothing(self, recording: Recording, model: Any) -> None:
        """What is made for a call is gone once it is counted."""
        wrapper = self.wrapper()
        with arguments(wrapper) as found:
            answer = self.ask(model)
        (args, named) = found[0]
        objects = []
        with stand_in(wrapper, lambda *_, **__: answer):
            for _ in range(3):
                for _ in range(1000):
                    wrapper(*args, **named)
                assert pipeline.flush(30)
                gc.collect()
                recording.batches()
                recording._kept.reset()
                objects.append(len(gc.get_objects()))
        # One object a call would be a thousand; the first round fills caches.
        assert objects[2] - objects[1] < 200
        assert recording.calls() == 3001

    def test_no_reference_is_kept_in_what_waits(
        self, recording: Recording, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A model may go before its calls are counted, and they are counted."""
        monkeypatch.setattr(pipeline.Pipeline, "start", lambda _: None)
        for _ in range(3):
            self.ask(model)
        fresh = self.scenario.fit()
        self.ask(fresh)
        del fresh
        gc.collect()
        assert recording.calls() == 4
        assert recording.rows().seen == 4 * ROWS
        assert recording.faults() == {}

    # -- pickles -------------------------------------------------------------------------------

    def test_copies_are_recorded_as_well(self, recording: Recording, model: Any) -> None:
        """Pickles and deep copies of a model and of its bound method work, and count once."""
        if not self.scenario.picklable:
            pytest.skip(f"models of {self.scenario.library} cannot be pickled")
        expected = self.scenario.numbers(self.ask(model))
        ways: list[Callable[[Any], Any]] = [
            lambda value: pickle.loads(pickle.dumps(value)),
            lambda value: cloudpickle.loads(cloudpickle.dumps(value)),
            copy.deepcopy,
            copy.copy,
        ]
        for number, way in enumerate(ways):
            before = recording.calls()
            assert self.scenario.numbers(self.ask(way(model))) == expected, number
            bound = way(getattr(model, self.scenario.operation))
            bound(self.scenario.data(ROWS))
            assert recording.calls() == before + 2, number
        assert b"tidegauge" not in pickle.dumps(model)
        assert b"tidegauge" not in cloudpickle.dumps(model)

    def test_a_bound_method_that_is_kept_falls_silent(
        self, recording: Recording, model: Any
    ) -> None:
        """Who holds a method of ours when Tidegauge goes calls the library's, unrecorded."""
        bound = getattr(model, self.scenario.operation)
        with arguments(self.wrapper()) as found:
            self.ask(model)
        (_, *rest), named = found[0]
        instrumentor = self.scenario.instrumentor()
        instrumentor.uninstrument()
        bound(*rest, **named)
        assert recording.calls() == 1
        instrumentor.instrument(skip_dep_check=True)
        bound(*rest, **named)
        assert recording.calls() == 2

    # -- other processes -----------------------------------------------------------------------

    def test_fitting_is_no_prediction(self, early: Said) -> None:
        """Training, and what it calls inside, is not recorded."""
        assert early["records of fitting"] == "0"
        assert early["faults"] == "{}"

    def test_a_forked_child_starts_from_zero(self, early: Said) -> None:
        """A child counts its own calls, and the parent's stay the parent's."""
        if not self.scenario.forkable:
            pytest.skip(f"models of {self.scenario.library} do not work in a forked process")
        assert early["a child's calls, rows and faults"] == "[3, 6, 0]"
        assert early["the parent's calls"] == "1"
        assert early["the parent's calls thereafter"] == "2"

    def test_pickles_load_with_and_without_tidegauge(self, early: Said, late: Said) -> None:
        """Pickles made under instrumentation load anywhere, and are recorded where it is on."""
        if not self.scenario.picklable:
            pytest.skip(f"models of {self.scenario.library} cannot be pickled")
        names = early["pickles"]
        assert "'model.pickle'" in names
        assert ("'model-of-main.cloudpickle'" in names) == bool(self.scenario.main_source)
        assert early["pickles loaded with Tidegauge"] == names
        assert late["pickles loaded without Tidegauge"] == names
        assert late["of Tidegauge"] == "[]"


def _cached() -> list[int]:
    caches = [identity._references, *identity._caches.values()]
    return [len(cache) for cache in caches]
