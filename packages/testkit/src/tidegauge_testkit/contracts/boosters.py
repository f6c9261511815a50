"""What an integration of a library of boosted trees keeps, beside the contract of all.

Such libraries have models of their own, which are saved to files, and estimators that follow
scikit-learn's API: those scikit-learn's integration sees as well, where it is installed.
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.typing import NDArray
from tidegauge import set_model_info
from tidegauge.configuration import CoreSettings

from tidegauge_testkit.instrumentation import all_switched_on, switched_on
from tidegauge_testkit.recording import Recording

#: Asks a model, given rows.
Ask = Callable[[Any, Any], Any]

#: Whose integrations are on, in the order in which they come.
ORDERS = ("alone", "before scikit-learn's", "after scikit-learn's")
# Parameters of tests that are keys of a mapping of the scenario.
_FROM_SCENARIO = {"way": "ways", "explained": "explained", "plain": "plain", "name": "estimators",
                  "aside": "aside"}  # fmt: skip


def in_order(own: type[Any], beside: type[Any] | None, order: str) -> list[Any]:
    """Return new instrumentors, one integration's and another's, in one of the orders."""
    if order == ORDERS[0] or beside is None:
        return [own()]
    return [own(), beside()] if order == ORDERS[1] else [beside(), own()]


class BoosterScenario(ABC):
    """A library of boosters, and how it is used."""

    #: The integration's instrumentor; scikit-learn's, where its estimators derive from those.
    instrumentor: ClassVar[type[Any]]
    beside: ClassVar[type[Any] | None] = None
    #: What a booster is called where nobody names it.
    model_name: ClassVar[str] = "Booster"
    #: The end of a file's name.
    suffix: ClassVar[str] = ".txt"
    #: What the library raises where there is no such file.
    no_file: ClassVar[type[Exception]]
    #: Ways to load a file.
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]]
    #: Ways to ask a booster for something else than predictions, and to ask for predictions.
    explained: ClassVar[Mapping[str, Ask]]
    plain: ClassVar[Mapping[str, Ask]]
    #: Classes of estimators, with one of a user's; and the name of the plain classifier.
    estimators: ClassVar[Mapping[str, Callable[[], Any]]] = MappingProxyType({})
    classifier: ClassVar[str] = ""
    #: Ways to ask a classifier for something else.
    aside: ClassVar[Mapping[str, Ask]] = MappingProxyType({})

    @abstractmethod
    def train(self, rows: Any, labels: Any) -> Any:
        """Return a small booster for two classes."""

    @abstractmethod
    def ask(self, booster: Any, rows: Any) -> Any:
        """Predict: one call of one method."""

    @abstractmethod
    def save(self, booster: Any, path: Path) -> None:
        """Save a booster to a file."""

    @abstractmethod
    def from_memory(self, booster: Any) -> Any:
        """Return another booster that is made of what one is in memory."""

    @abstractmethod
    def refill(self, booster: Any, other: Any) -> None:
        """Make a booster, which came from a file, what another one is in memory."""

    def fit(self, name: str, rows: Any, labels: Any) -> Any:
        """Return a fitted estimator."""
        return self.estimators[name]().fit(rows, labels)


class BoosterCase:
    """One integration alone, or in any order with scikit-learn's."""

    scenario: ClassVar[BoosterScenario]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Try each of what the scenario lists."""
        for parameter, listed in _FROM_SCENARIO.items():
            if parameter in metafunc.fixturenames:
                metafunc.parametrize(parameter, getattr(self.scenario, listed))

    @pytest.fixture
    def recording(self) -> Iterator[Recording]:
        """Return what is recorded in one test, with this integration alone."""
        with switched_on(self.scenario.instrumentor()), Recording() as recording:
            yield recording

    @pytest.fixture(params=ORDERS)
    def together(self, request: pytest.FixtureRequest) -> Iterator[Recording]:
        """Return what is recorded in one test, whatever else is installed."""
        own, beside = self.scenario.instrumentor, self.scenario.beside
        with all_switched_on(in_order(own, beside, request.param)), Recording() as recording:
            yield recording

    @pytest.fixture
    def rows(self) -> NDArray[np.float64]:
        """Return sixty rows of four features."""
        return np.random.default_rng(3).normal(size=(60, 4))

    @pytest.fixture
    def labels(self, rows: NDArray[np.float64]) -> Any:
        """Return one of two labels a row."""
        return (rows[:, 0] > 0).astype(int)

    @pytest.fixture
    def booster(self, rows: Any, labels: Any) -> Any:
        """Return a booster for two classes."""
        return self.scenario.train(rows, labels)

    @pytest.fixture
    def file(self, booster: Any, tmp_path: Path) -> Path:
        """Return the file of a booster."""
        path = tmp_path / f"fraud_v3{self.scenario.suffix}"
        self.scenario.save(booster, path)
        return path


class BoosterNamesContract(BoosterCase):
    """A model goes by the name of its file, and by nothing else that a file says."""

    @pytest.mark.parametrize("as_given", [str, Path])
    def test_a_booster_goes_by_its_file(
        self, recording: Recording, file: Path, rows: Any, as_given: Any, way: str
    ) -> None:
        """However it is loaded: the base name, without folders and extension."""
        self.scenario.ask(self.scenario.ways[way](as_given(file)), rows)
        assert recording.models() == {"fraud_v3"}
        assert (recording.calls(), recording.faults()) == (1, {})

    def test_memory_has_no_name(
        self, recording: Recording, file: Path, booster: Any, rows: Any
    ) -> None:
        """A model out of a buffer goes by its class, also one that had a file before."""
        scenario = self.scenario
        scenario.ask(scenario.from_memory(booster), rows)
        second = next(iter(scenario.ways.values()))(str(file))
        scenario.ask(second, rows)
        scenario.refill(second, booster)
        scenario.ask(second, rows)
        counts = {name: count.success for (name, _), count in recording.counts().items()}
        assert {scenario.model_name: 2, "fraud_v3": 1} == counts

    def test_a_file_that_cannot_be_loaded_is_the_callers_error(
        self, recording: Recording, tmp_path: Path, way: str
    ) -> None:
        """The error is the library's, and nothing of ours."""
        with pytest.raises(self.scenario.no_file):
            self.scenario.ways[way](str(tmp_path / f"gone{self.scenario.suffix}"))
        assert recording.faults() == {}

    @pytest.mark.parametrize(
        ("setting", "explicit", "expected"),
        [
            ("", "", "fraud_v3"),
            ("served", "", "served"),
            ("fraud_v3=fraud,churn=other", "", "fraud"),
            ("other=churn", "", "fraud_v3"),
            ("served", "mine", "mine"),
        ],
    )
    def test_the_precedence_of_names(
        self, file: Path, rows: Any, setting: str, explicit: str, expected: str
    ) -> None:
        """Explicit, then environment, then file, then class."""
        with (
            switched_on(self.scenario.instrumentor()),
            Recording(CoreSettings(model_name=setting)) as recording,
        ):
            model = next(iter(self.scenario.ways.values()))(str(file))
            if explicit:
                set_model_info(model, explicit)
            self.scenario.ask(model, rows)
            assert {expected} == recording.models()


class BoosterCallsContract(BoosterCase):
    """What boosters are asked for."""

    @pytest.mark.filterwarnings("ignore:Pass .* as keyword args:FutureWarning")
    def test_explanations_are_no_predictions(
        self, recording: Recording, booster: Any, rows: Any, explained: str
    ) -> None:
        """Margins, leaves and contributions have other shapes and meanings: none is recorded."""
        self.scenario.explained[explained](booster, rows)
        assert (recording.calls(), recording.faults()) == (0, {})

    @pytest.mark.filterwarnings("ignore:Pass .* as keyword args:FutureWarning")
    def test_all_other_calls_are(
        self, recording: Recording, booster: Any, rows: Any, plain: str
    ) -> None:
        """However the arguments are passed."""
        self.scenario.plain[plain](booster, rows)
        (batch,) = recording.batches()
        assert batch.features is not None
        assert batch.outputs is not None
        assert (batch.features.rows, batch.outputs.rows) == (60, 60)
        assert recording.faults() == {}


class BoosterEstimatorsContract(BoosterCase):
    """Estimators in scikit-learn's style, with scikit-learn's own integration and without."""

    @pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
    def test_a_call_counts_once(
        self, together: Recording, rows: Any, labels: Any, name: str
    ) -> None:
        """What an estimator asks of its parent and of its booster is a part of the call."""
        model = self.scenario.fit(name, rows, labels)
        operations = [each for each in ("predict", "predict_proba") if hasattr(model, each)]
        for operation in operations:
            getattr(model, operation)(rows)
        assert {(name, operation) for operation in operations} == set(together.counts())
        assert {(count.success, count.rows) for count in together.counts().values()} == {(1, 60)}
        assert together.faults() == {}

    @pytest.mark.parametrize("first", [0, 1], ids=["scikit-learn's", "own"])
    def test_it_records_whoever_else_has_gone(self, rows: Any, labels: Any, first: int) -> None:
        """Each integration may go; what the other wants goes on, until both have gone."""
        model = self._classifier(rows, labels)
        original = vars(type(model))["predict"]
        both = in_order(self.scenario.instrumentor, self.scenario.beside, ORDERS[2 - first])
        with all_switched_on(both), Recording() as recording:
            for instrumentor in both:
                instrumentor.uninstrument()
                model.predict(rows)
                assert recording.calls() == 1
        assert vars(type(model))["predict"] is original

    @pytest.mark.filterwarnings("ignore:This Pipeline instance is not fitted")
    def test_what_is_aside_is_no_prediction(
        self, together: Recording, rows: Any, labels: Any, aside: str
    ) -> None:
        """Margins and leaves are not recorded, whichever integration sees them."""
        self.scenario.aside[aside](self._classifier(rows, labels), rows)
        assert (together.calls(), together.faults()) == (0, {})

    def test_labels_and_probabilities(self, together: Recording, rows: Any, labels: Any) -> None:
        """Labels are counted; of two probabilities the second class's is a value."""
        model = self._classifier(rows, labels)
        model.predict(rows)
        assert not together.values()
        model.predict_proba(rows)
        assert {(self.scenario.classifier, "1"): 60} == together.values()

    @pytest.mark.parametrize("kind", ["frame", "categories", "sparse", "array"])
    def test_inputs_of_every_kind(
        self, together: Recording, rows: Any, labels: Any, kind: str
    ) -> None:
        """What the estimator takes is recorded, by the names that the frame has."""
        frame = pd.DataFrame(rows, columns=list("abcd"))
        data = {
            "frame": frame,
            "categories": frame.assign(d=pd.Categorical(["x", "y"] * 30)),
            "sparse": scipy.sparse.csr_matrix(rows),
            "array": rows,
        }[kind]
        self._classifier(data, labels).predict(data)
        (batch,) = together.batches()
        assert batch.features is not None
        names = tuple("abcd") if isinstance(data, pd.DataFrame) else None
        assert (60, names) == (batch.features.rows, batch.features.names)
        assert together.faults() == {}

    def test_pickles_hold_nothing_of_it(self, together: Recording, rows: Any, labels: Any) -> None:
        """A pickled estimator is what it was, and counts under its class where it is loaded."""
        content = pickle.dumps(self._classifier(rows, labels))
        assert b"tidegauge" not in content
        pickle.loads(content).predict(rows)
        assert set(together.counts()) == {(self.scenario.classifier, "predict")}

    def _classifier(self, rows: Any, labels: Any) -> Any:
        return self.scenario.fit(self.scenario.classifier, rows, labels)
