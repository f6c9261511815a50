"""How an integration comes and goes, whether it predicts or not."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from packaging.requirements import Requirement
from packaging.version import Version
from tidegauge import guard
from tidegauge.patcher import Functions, Methods, Patch, Patcher

from tidegauge_testkit.contracts.case import HooksCase, boom
from tidegauge_testkit.contracts.processes import Said, run
from tidegauge_testkit.contracts.programs import EARLY_HOOKS, LATE_HOOKS

# Older ones are started in code only; some of them know no library that has several names.
ZERO_CODE = Version("0.63b0")


class PresenceContract(HooksCase):
    """Each test tells one promise. Integrations that predict nothing keep these alone."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return the folder in which both programs run."""
        return tmp_path_factory.mktemp("programs")

    @pytest.fixture(scope="class")
    @classmethod
    def early(cls, folder: Path) -> Said:
        """Return what a process says that instruments before the library is there."""
        return run(EARLY_HOOKS, folder, cls.scenario, [cls.scenario.library])

    @pytest.fixture(scope="class")
    @classmethod
    def late(cls, folder: Path) -> Said:
        """Return what a process says that instruments when the library is in use."""
        return run(LATE_HOOKS, folder, cls.scenario)

    # -- other processes -----------------------------------------------------------------------

    def test_without_the_library_it_keeps_still(self, early: Said) -> None:
        """Where the library is not installed, instrumenting does and says nothing."""
        assert early["library that the plugin imports"] == "[]"
        assert early["library that instrumenting imports"] == "[]"
        assert early["threads"] == "1"
        assert early["said without the library"] == "[]"

    def test_it_may_come_before_the_library(self, early: Said) -> None:
        """The library is patched when the app imports it."""
        assert early["seen"] == "True"

    def test_it_may_come_after_the_library(self, late: Said) -> None:
        """What the app has made before is noticed from then on, until Tidegauge goes."""
        assert (late["seen before"], late["seen"], late["seen after"]) == ("False", "True", "False")

    # -- coming and going ----------------------------------------------------------------------

    def test_twice_is_once(self) -> None:
        """Instrumenting again changes nothing."""
        before = self.patched()
        self.scenario.instrumentor()._instrument()
        assert self.patched() is before
        assert self.scenario.seen()

    def test_it_goes_without_a_trace(self) -> None:
        """Uninstrumenting restores the identical objects; again and again."""
        instrumentor = self.scenario.instrumentor()
        original = self.wrapper().__wrapped__
        for _ in range(2):
            instrumentor.uninstrument()
            assert self.wrapper() is original
            assert not self.scenario.seen()
            instrumentor.instrument(skip_dep_check=True)
            assert self.wrapper().__wrapped__ is original
        assert self.scenario.seen()

    def test_faults_of_the_set_up_are_not_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An instrumentor that cannot do its work says so once, and the app starts."""
        instrumentor = self.scenario.instrumentor()
        instrumentor.uninstrument()
        monkeypatch.setattr(Patcher, "install", boom)
        guard.reset()
        instrumentor.instrument(skip_dep_check=True)
        assert [cause.rpartition(":")[2] for cause in guard.counts()] == ["Boom"]

    def test_it_looks_the_same(self) -> None:
        """Signature, names, documentation and type are the library's."""
        function = self.wrapper()
        original = function.__wrapped__
        assert type(function) is type(original)
        # As text: a default may be NaN, which is not equal to itself.
        assert str(inspect.signature(function)) == str(inspect.signature(original))
        assert inspect.iscoroutinefunction(function) == inspect.iscoroutinefunction(original)
        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
            assert getattr(function, name) == getattr(original, name)

    # -- other versions of the library ---------------------------------------------------------

    def test_a_name_that_is_gone_is_one_warning(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A release without something that is patched: one line says so, and the rest is patched.

        Each name of each patch is taken away in turn.
        """
        instrumentor = self.scenario.instrumentor()
        assert self.scenario.seen()  # the library is imported
        targets = list(_targets(self.scenario.plugin))
        assert targets
        instrumentor.uninstrument()
        for label, place, name in targets:
            guard.reset()
            caplog.clear()
            with monkeypatch.context() as gone:
                gone.delattr(place, name)
                instrumentor.instrument(skip_dep_check=True)
                said = [line.getMessage() for line in caplog.records if line.levelno > logging.INFO]
                assert len([line for line in said if line.startswith(f"{label}: ")]) == 1, label
                assert len(said) == len(guard.counts())
                assert {cause[:14] for cause in guard.counts()} == {"patch.missing."}
                if isinstance(place, type) and (place, name) != self.scenario.owner():
                    assert hasattr(self.wrapper(), "__wrapped__"), label
                instrumentor.uninstrument()
        instrumentor.instrument(skip_dep_check=True)
        guard.reset()
        assert self.scenario.seen()

    def test_a_version_out_of_range_is_one_message(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Of a library that is too old nothing is patched: one line says so, and the app runs."""
        instrumentor = self.scenario.instrumentor()
        instrumentor.uninstrument()
        plugin = distribution(self.scenario.plugin)
        names = {
            requirement.name
            for requirement in map(Requirement, plugin.requires or ())
            if "instruments" in str(requirement.marker)
        }
        if not names:
            pytest.skip("the library is no extra: it is too large for everybody's environment")
        assert get_dist_dependency_conflicts(plugin) is None
        for name in names:
            info = tmp_path / f"{name.replace('-', '_')}-0.0.1.dist-info"
            info.mkdir()
            info.joinpath("METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n"
            )
        monkeypatch.syspath_prepend(tmp_path)
        # Started without code by the first, in code by the second.
        conflict = get_dist_dependency_conflicts(plugin)
        if Version(version("opentelemetry-instrumentation")) >= ZERO_CODE:
            assert "0.0.1" in str(conflict)
        caplog.clear()
        instrumentor.instrument()
        said = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(said) == 1
        assert "0.0.1" in said[0].getMessage()
        assert not self.scenario.seen()


def _targets(plugin: str) -> Iterator[tuple[str, Any, str]]:
    """Return what a warning says of each thing that is patched, where it is, and its name there."""
    patches: tuple[Patch, ...] = importlib.import_module(f"{plugin}._patches").PATCHES
    for patch in patches:
        module = sys.modules.get(patch.module)
        if module is None:
            continue
        if isinstance(patch, Functions):
            for name in patch.functions:
                if hasattr(module, name):
                    yield f"{patch.module} has no {name}", module, name
            continue
        name = patch.class_name if isinstance(patch, Methods) else patch.base
        yield f"{patch.module} has no {name}", module, name
        if isinstance(patch, Methods):
            cls = getattr(module, name)
            for method in patch.methods:
                if method in vars(cls):
                    yield f"{patch.module} has no {name}.{method}", cls, method
