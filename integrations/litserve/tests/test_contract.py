"""LitServe keeps the contract of integrations."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from tidegauge_litserve import LitserveInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


@functools.cache
def scoring() -> Any:
    """Return the class of an API that is named."""
    import litserve
    import numpy as np

    class Scoring(litserve.LitAPI):  # type: ignore[misc]
        def setup(self, device: str) -> None:
            """Need nothing."""

        def predict(self, x: Any) -> Any:
            return np.asarray(x, dtype=float).sum(axis=1)

    return Scoring


class LitserveScenario(Scenario):
    """An API that asks no model: it adds up its features."""

    library: ClassVar[str] = "litserve"
    plugin: ClassVar[str] = "tidegauge_litserve"
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "Scoring"
    environ: ClassVar[dict[str, str]] = {"TIDEGAUGE_LITSERVE_CLASSES": "Scoring, Failing"}
    # LitServe itself ships APIs to its workers, but of classes that can be imported by name.
    picklable: ClassVar[bool] = False
    inputs: ClassVar[frozenset[str]] = frozenset({"float64", "float32", "integers", "lists"})

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return LitserveInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class that is named."""
        return scoring(), "predict"

    def fit(self) -> Any:
        """Return an API."""
        return scoring()()

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import numpy as np

        return np.random.default_rng(5).normal(size=(rows, 3))

    def predict(self, model: Any, data: Any) -> Any:
        """Call it as LitServe's worker does."""
        return model.predict(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the sums."""
        return [float(value) for value in result]

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return an API that raises."""
        import litserve

        class Failing(litserve.LitAPI):  # type: ignore[misc]
            def setup(self, device: str) -> None:
                """Need nothing."""

            def predict(self, x: Any) -> Any:
                raise error

        return Failing(), self.data(2)


class TestLitserve(IntegrationContract):
    """All promises, for LitServe's APIs."""

    scenario = LitserveScenario()
