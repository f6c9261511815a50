"""PLACEHOLDER keeps the contract of integrations."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegauge_placeholder import PlaceholderInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario, unwritten


class PlaceholderScenario(Scenario):
    """A tiny model, and how to use it. Import the library inside methods only."""

    library: ClassVar[str] = "placeholder"
    plugin: ClassVar[str] = "tidegauge_placeholder"
    # WRITE: the method that predicts, and what the model is called where nobody names it.
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "Model"
    # WRITE: the kinds of tables (tidegauge_testkit.contracts.tables.KINDS) that the library
    # answers. See Scenario for what else may be said: pickles, forks, subclasses, files.
    inputs: ClassVar[frozenset[str]] = frozenset()

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return PlaceholderInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class, and the name in it, whose value is patched."""
        return unwritten("owner", "import the class whose method predicts: (Model, 'predict')")

    def fit(self) -> Any:
        """Return a model that can predict."""
        return unwritten("fit", "a tiny model of 3 numeric features that uses one thread")

    def data(self, rows: int) -> Any:
        """Return that many rows of input that the model takes."""
        return unwritten("data", "that many rows, the same at each call")

    def predict(self, model: Any, data: Any) -> Any:
        """Predict as an app does."""
        return unwritten("predict", "model.predict(data)")

    def numbers(self, result: Any) -> list[float]:
        """Return a result as plain numbers."""
        return unwritten("numbers", "what predict returned, as a list of floats")

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a model and data for which ``predict`` raises exactly this object."""
        return unwritten("failing", "a model and data with which predict raises this very error")


class TestPlaceholder(IntegrationContract):
    """All promises, for PLACEHOLDER."""

    scenario = PlaceholderScenario()
