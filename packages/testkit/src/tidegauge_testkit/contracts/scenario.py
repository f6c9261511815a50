"""What an integration shows of its library, so that the contract can try it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from tidegauge_testkit.recording import Recording


class Unwritten(Exception):  # noqa: N818 - it is not an error that anybody handles
    """A part of a new integration that nobody has written yet."""


def unwritten(method: str, what: str) -> NoReturn:
    """Say what a method of a new scenario has to return."""
    raise Unwritten(
        f"{method}() of the scenario is not written yet. Let it return: {what}. "
        "integrations/sklearn/tests/test_contract.py has one to look at."
    )


class HooksScenario(ABC):
    """An integration that predicts nothing: it names what is loaded, or tells the route.

    Fresh processes load the file that defines it: the file imports the library inside methods only,
    and the class is built with no arguments.
    """

    #: Import name of the library: ``sklearn``.
    library: ClassVar[str]
    #: Import name of the integration: ``tidegauge_sklearn``.
    plugin: ClassVar[str]
    #: Warnings of the library's own import, as ``-W`` takes them: ``ignore::UserWarning``.
    warnings: ClassVar[tuple[str, ...]] = ()

    #: Settings without which the integration does nothing: which classes are models.
    environ: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @abstractmethod
    def instrumentor(self) -> BaseInstrumentor:
        """Return the integration's instrumentor."""

    @abstractmethod
    def owner(self) -> tuple[object, str]:
        """Return the class or module, and the name in it, whose value is patched."""

    @abstractmethod
    def seen(self) -> bool:
        """Use the library as an app does, and say whether Tidegauge has noticed.

        It makes all that it needs anew, and leaves nothing behind.
        """


class Scenario(HooksScenario):
    """A tiny model of the library, and how to use it.

    What has a value here fits most libraries. The model shall use one thread: of others nothing is
    left in a forked process.
    """

    #: Name of the method that predicts; ``predict(model, data)`` calls it.
    operation: ClassVar[str]
    #: What the model is called where nobody names it.
    model_name: ClassVar[str]
    #: Whether the library's models can be pickled.
    picklable: ClassVar[bool] = True
    #: Whether a model that has predicted may be used in a forked process.
    forkable: ClassVar[bool] = True
    #: Source of ``make() -> (model, data)`` whose model is of a class defined beside it; empty
    #: where the library's classes are not derived from.
    main_source: ClassVar[str] = ""
    #: How many numeric features the model has.
    features: ClassVar[int] = 3
    #: Which kinds of tables (``contracts.tables.KINDS``) the library answers and the integration
    #: reads. Others must come out as they do without Tidegauge, whatever that is.
    inputs: ClassVar[frozenset[str]] = frozenset()
    #: Rows of a batch job. Fewer only where the library would take seconds for a million.
    most_rows: ClassVar[int] = 1_000_000

    @abstractmethod
    def fit(self) -> Any:
        """Return a model that can predict."""

    @abstractmethod
    def data(self, rows: int) -> Any:
        """Return that many rows of input that the model takes."""

    @abstractmethod
    def predict(self, model: Any, data: Any) -> Any:
        """Predict as an app does: one outermost call of the library."""

    @abstractmethod
    def numbers(self, result: Any) -> list[float]:
        """Return a result as plain numbers, to compare."""

    def recorded(self, result: Any) -> list[float]:
        """Return the numbers of a result that are recorded, row by row; by default all of them.

        Of the two probabilities of a binary classifier the second is.
        """
        return self.numbers(result)

    @abstractmethod
    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a model and data for which ``predict`` raises exactly this object."""

    def feed(self, table: Any) -> Any:
        """Return a table of any kind as ``predict`` takes it."""
        return table

    def another(self, model: Any) -> Any:
        """Return a further model object that predicts the same, cheaply."""
        return copy.copy(model)

    def reload(self, model: Any, folder: Path) -> Any:
        """Save a model below a folder, load it as an app does and return it.

        None where the library has no files of its own.
        """
        del model, folder

    def least(self, args: tuple[Any, ...], answer: Any) -> Callable[[], object] | None:
        """Return the least that the library has to be asked for a record of a call, to be timed.

        ``args`` are those of the wrapped method, the model first. None where the values lie open,
        as in an array.
        """
        del args, answer
        return None

    def seen(self) -> bool:
        """Predict once; it is noticed if there is one record."""
        model, data = self.fit(), self.data(3)
        with Recording() as recording:
            self.predict(model, data)
            return (recording.calls(), recording.faults()) == (1, {})
