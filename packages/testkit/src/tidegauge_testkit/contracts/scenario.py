"""What an integration shows of its library, so that the contract can try it."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)


class Scenario(Protocol):
    """A tiny model of the library, and how to use it.

    Fresh processes load the file that defines it: the file imports the library inside methods only,
    and the class is built with no arguments.
    """

    #: Import name of the library: ``sklearn``.
    library: ClassVar[str]
    #: Import name of the integration: ``tidegauge_sklearn``.
    plugin: ClassVar[str]
    #: Name of the method that predicts; ``predict(model, data)`` calls it.
    operation: ClassVar[str]
    #: What the model is called where nobody names it.
    model_name: ClassVar[str]
    #: What must be importable by name in another process for a pickle to load; empty where the
    #: library's models cannot be pickled.
    picklable: ClassVar[bool]
    #: Source of ``make() -> (model, data)`` whose model is of a class defined beside it; empty
    #: where the library's classes are not derived from.
    main_source: ClassVar[str]

    def instrumentor(self) -> BaseInstrumentor:
        """Return the integration's instrumentor."""
        ...

    def owner(self) -> tuple[object, str]:
        """Return the class or module, and the name in it, whose value is patched."""
        ...

    def fit(self) -> Any:
        """Return a model that can predict."""
        ...

    def data(self, rows: int) -> Any:
        """Return that many rows of input that the model takes."""
        ...

    def predict(self, model: Any, data: Any) -> Any:
        """Predict as an app does: one outermost call of the library."""
        ...

    def numbers(self, result: Any) -> list[float]:
        """Return a result as plain numbers, to compare."""
        ...

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a model and data for which ``predict`` raises exactly this object."""
        ...
