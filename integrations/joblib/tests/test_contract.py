"""Joblib keeps the contract of loaders."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegauge_joblib import JoblibInstrumentor
from tidegauge_testkit.contracts.loader import LoaderContract, LoaderScenario


class Halves:
    """A model of nobody's library."""

    def predict(self, data: Any) -> Any:
        """Answer."""
        return [value / 2 for value in data]


class JoblibScenario(LoaderScenario):
    """A file of joblib."""

    library: ClassVar[str] = "joblib"
    plugin: ClassVar[str] = "tidegauge_joblib"
    ending: ClassVar[str] = ".joblib"

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return JoblibInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the module that holds the function."""
        import joblib.numpy_pickle

        return joblib.numpy_pickle, "load"

    def fit(self) -> Any:
        """Return a model."""
        return Halves()

    def save(self, content: Any, file: Any) -> None:
        """Call ``dump``."""
        import joblib

        joblib.dump(content, file)

    def load(self, file: Any) -> Any:
        """Call ``load``."""
        import joblib

        return joblib.load(file)


class TestJoblib(LoaderContract):
    """All promises, for joblib."""

    scenario = JoblibScenario()
