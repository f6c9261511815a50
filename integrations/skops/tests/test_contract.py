"""Skops keeps the contract of loaders."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegauge_skops import SkopsInstrumentor
from tidegauge_testkit.contracts.loader import LoaderContract, LoaderScenario


class SkopsScenario(LoaderScenario):
    """A regression of scikit-learn in a file of skops."""

    library: ClassVar[str] = "skops"
    plugin: ClassVar[str] = "tidegauge_skops"
    ending: ClassVar[str] = ".skops"

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return SkopsInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the module that holds the function."""
        import skops.io._persist

        return skops.io._persist, "load"

    def fit(self) -> Any:
        """Return a fitted model."""
        from sklearn.linear_model import LinearRegression

        return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])

    def save(self, content: Any, file: Any) -> None:
        """Call ``dump``."""
        from skops.io import dump

        dump(content, file)

    def load(self, file: Any) -> Any:
        """Call ``load``."""
        from skops.io import load

        return load(file)


class TestSkops(LoaderContract):
    """All promises, for skops."""

    scenario = SkopsScenario()
