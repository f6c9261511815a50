"""An app that predicts once with each library: ``app.py none|all FILE...``; run by integrations.py.

The files hold the scenarios of the contracts. Their tests' own imports are kept away, so that an
app without Tidegauge is one, and an app with it has no more of it than an app has.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import scenarios


class Marker:
    """What stands for a function of tests: it has every name, and what it decorates stays."""

    def __getattr__(self, name: str) -> Marker:
        return self

    def __call__(self, *given: Any, **_: Any) -> Any:
        """Return what is decorated."""
        return given[0] if given and callable(given[0]) else self


class Nothing(ModuleType):
    """A module that has every name: of classes, and of functions."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Marker() if name.islower() else type(name, (), {})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives nothing for what only tests import."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        self._beginnings = beginnings

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Find modules of tests."""
        if not name.startswith(self._beginnings):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return a module that has every name."""
        return Nothing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing."""


def main() -> None:
    """Start as an app does: instrument or not, import, predict once with each library."""
    mode, *paths = sys.argv[1:]
    if mode == "all":
        for point in entry_points(group="opentelemetry_instrumentor"):
            if point.name.startswith("tidegauge_"):
                point.load()().instrument(skip_dep_check=True)
    finder = Finder(("tidegauge_testkit", "pytest") if mode == "all" else ("tidegauge", "pytest"))
    sys.meta_path.insert(0, finder)
    for path in paths:
        for scenario in scenarios.of(scenarios.load(Path(path))):
            if hasattr(scenario, "predict"):
                scenario.predict(scenario.fit(), scenario.data(1))
            else:
                __import__(scenario.library)


if __name__ == "__main__":
    main()
