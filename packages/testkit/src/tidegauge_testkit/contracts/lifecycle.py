"""What an integration keeps around the calls: names, set-up and removal, pickles, processes."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from tidegauge import identity, set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge.patcher import Patcher
from tidegauge.runtime import shared

from tidegauge_testkit.contracts.case import ROWS, Case, boom
from tidegauge_testkit.contracts.processes import run
from tidegauge_testkit.contracts.programs import (
    AFTER_IMPORT,
    BEFORE_IMPORT,
    DUMP,
    LOAD_WITH,
    LOAD_WITHOUT,
    WITHOUT_LIBRARY,
)
from tidegauge_testkit.recording import Recording


class LifecycleContract(Case):
    """Each test tells one promise."""

    # -- names ---------------------------------------------------------------------------------

    def test_a_model_goes_by_the_name_that_it_is_given(self, model: Any) -> None:
        """Explicit before environment before class; two models stay apart."""
        settings = CoreSettings(model_name="churn", model_version="7")
        with Recording(settings) as recording:
            other = self.scenario.fit()
            set_model_info(other, "fraud", "3")
            self.ask(model)
            self.ask(other)
            assert recording.versions() == {("churn", "7"), ("fraud", "3")}
            set_model_info(model, "late")
            self.ask(model)
            assert recording.models() == {"churn", "fraud", "late"}

    def test_models_that_come_and_go_leave_nothing(self, recording: Recording, model: Any) -> None:
        """Ten thousand short-lived models leave no trace in the caches of objects."""
        data = self.scenario.data(1)
        self.scenario.predict(model, data)
        gc.collect()
        before, channels = _cached(), len(shared.channels.all())
        for _ in range(10_000):
            self.scenario.predict(copy.copy(model), data)
        gc.collect()
        assert _cached() == before
        assert len(shared.channels.all()) == channels
        assert recording.calls() == 10_001

    # -- coming and going ----------------------------------------------------------------------

    def test_twice_is_once(self, recording: Recording, model: Any) -> None:
        """Instrumenting again adds no second record."""
        before = self.patched()
        instrumentor = self.scenario.instrumentor()
        instrumentor._instrument()
        assert self.patched() is before
        self.ask(model)
        assert recording.calls() == 1

    def test_it_goes_without_a_trace(self, recording: Recording, model: Any) -> None:
        """Uninstrumenting restores the identical objects; again and again."""
        instrumentor = self.scenario.instrumentor()
        original = _original(self.patched())
        bound = getattr(model, self.scenario.operation)
        for _ in range(2):
            instrumentor.uninstrument()
            value = self.patched()
            assert getattr(value, "fn", value) is original
            self.ask(model)
            bound(self.scenario.data(ROWS))
            assert recording.calls() == 0
            instrumentor.instrument(skip_dep_check=True)
        self.ask(model)
        assert recording.calls() == 1

    def test_faults_of_the_set_up_are_not_raised(
        self, recording: Recording, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An instrumentor that cannot do its work says so once, and the app starts."""
        instrumentor = self.scenario.instrumentor()
        instrumentor.uninstrument()
        monkeypatch.setattr(Patcher, "install", boom)
        instrumentor.instrument(skip_dep_check=True)
        assert [cause.rpartition(":")[2] for cause in recording.faults()] == ["Boom"]

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

    # -- other processes -----------------------------------------------------------------------

    def test_without_the_library_it_keeps_still(self, tmp_path: Path) -> None:
        """Where the library is not installed, instrumenting does and says nothing."""
        said = run(
            WITHOUT_LIBRARY, tmp_path, scenario=self.scenario, blocked=[self.scenario.library]
        )
        assert said == "quiet\n"

    def test_it_may_come_before_the_library(self, tmp_path: Path) -> None:
        """Instrumenting imports no library and starts no thread; the library is patched later."""
        assert run(BEFORE_IMPORT, tmp_path, scenario=self.scenario) == "1 record\n"

    def test_it_may_come_after_the_library(self, tmp_path: Path) -> None:
        """A model made before instrumenting is recorded."""
        assert run(AFTER_IMPORT, tmp_path, scenario=self.scenario) == "1 record\n"

    def test_pickles_load_with_and_without_tidegauge(self, tmp_path: Path) -> None:
        """Pickles made under instrumentation load anywhere, and are recorded where it is on."""
        if not self.scenario.picklable:
            pytest.skip(f"models of {self.scenario.library} cannot be pickled")
        code = f"{self.scenario.main_source}\n{DUMP}"
        names = run(code, tmp_path, scenario=self.scenario).split()
        assert "model.pickle" in names
        assert run(LOAD_WITHOUT, tmp_path, blocked=["tidegauge"]).split() == sorted(names)
        assert run(LOAD_WITH, tmp_path, scenario=self.scenario).split() == sorted(names)


def _original(value: Any) -> Any:
    return getattr(value, "fn", value).__wrapped__


def _cached() -> list[int]:
    caches = [identity._references, *identity._caches.values()]
    return [len(cache) for cache in caches]
