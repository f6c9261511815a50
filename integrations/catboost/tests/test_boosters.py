"""CatBoost keeps what all libraries of boosted trees do: names and calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from catboost import CatBoost, CatBoostClassifier, CatBoostError
from tidegauge_catboost import CatBoostInstrumentor
from tidegauge_testkit.contracts.boosters import (
    Ask,
    BoosterCallsContract,
    BoosterNamesContract,
    BoosterScenario,
)

SMALL = {"iterations": 2, "verbose": False, "allow_writing_files": False, "thread_count": 1}


class CatBoosts(BoosterScenario):
    """Classifiers; CatBoost's models are no estimators to scikit-learn's integration."""

    instrumentor: ClassVar[type[Any]] = CatBoostInstrumentor
    model_name: ClassVar[str] = "CatBoostClassifier"
    suffix: ClassVar[str] = ".cbm"
    no_file: ClassVar[type[Exception]] = CatBoostError
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "by position": lambda file: CatBoostClassifier().load_model(file),
        "by name": lambda file: CatBoostClassifier().load_model(fname=file),
        "of no kind": lambda file: CatBoost().load_model(file),
    }
    explained: ClassVar[Mapping[str, Ask]] = {
        "raw values": lambda model, rows: model.predict(rows, prediction_type="RawFormulaVal"),
        "raw values by position": lambda model, rows: model.predict(rows, "RawFormulaVal"),
        "leaves": lambda model, rows: model.calc_leaf_indexes(rows),
        "stages": lambda model, rows: list(model.staged_predict(rows)),
        "importance": lambda model, rows: model.get_feature_importance(),
    }
    plain: ClassVar[Mapping[str, Ask]] = {
        "by name": lambda model, rows: model.predict(data=rows),
        "by position": lambda model, rows: model.predict(rows, "Class"),
        "probabilities": lambda model, rows: model.predict_proba(rows),
        "a tree": lambda model, rows: model.predict(rows, ntree_end=1),
    }

    def train(self, rows: Any, labels: Any) -> Any:
        """Train two small trees."""
        return CatBoostClassifier(**SMALL).fit(rows, labels)

    def ask(self, booster: Any, rows: Any) -> Any:
        """Predict."""
        return booster.predict(rows)

    def save(self, booster: Any, path: Path) -> None:
        """Save in CatBoost's own form."""
        booster.save_model(str(path))

    def from_memory(self, booster: Any) -> Any:
        """Load bytes."""
        return CatBoostClassifier().load_model(blob=booster._serialize_model())

    def refill(self, booster: Any, other: Any) -> None:
        """Load bytes anew."""
        booster.load_model(blob=other._serialize_model())


class TestNames(BoosterNamesContract):
    """Of models of both kinds."""

    scenario = CatBoosts()


class TestCalls(BoosterCallsContract):
    """Of a classifier."""

    scenario = CatBoosts()
