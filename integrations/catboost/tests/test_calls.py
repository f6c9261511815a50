"""Which calls of a CatBoost model are predictions, of which operation, under which name."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostError, CatBoostRanker, Pool, cv
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tidegauge_testkit.recording import Recording


def operations(recording: Recording) -> dict[str, int]:
    """Return how many calls each operation had."""
    return {operation: counts.success for (_, operation), counts in recording.counts().items()}


@pytest.mark.parametrize("name", ["predict", "predict_proba", "predict_log_proba"])
def test_each_method_counts_as_itself(
    recording: Recording, binary: Any, rows: Any, name: str
) -> None:
    """They all end in one function of the library, and each is one call."""
    getattr(binary, name)(rows)
    assert {name: 1} == operations(recording)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Class", {"predict": 2}),
        ("Probability", {"predict_proba": 2}),
        ("RawFormulaVal", {}),
        ("LogProbability", {}),
    ],
)
def test_a_classifier_is_recorded_by_what_it_is_asked_for(
    recording: Recording, binary: Any, rows: Any, kind: str, expected: dict[str, int]
) -> None:
    """Probabilities count as such, and raw scores are no prediction."""
    binary.predict(rows, kind)
    binary.predict(data=rows, prediction_type=kind)
    assert expected == operations(recording)
    if kind == "Probability":
        assert {("CatBoostClassifier", "1"): 120} == recording.values()


@pytest.mark.parametrize("kind", [None, "RawFormulaVal", "Exponent"])
def test_raw_values_are_what_a_regressor_predicts(
    recording: Recording, regressor: Any, rows: Any, kind: str | None
) -> None:
    """Of a model without classes every form of its value counts."""
    regressor.predict(rows, **({} if kind is None else {"prediction_type": kind}))
    assert {"predict": 1} == operations(recording)
    assert {("CatBoostRegressor", ""): 60} == recording.values()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(None, "predict"), ("RawFormulaVal", "predict"), ("Class", "predict"),
     ("Probability", "predict_proba")],
)  # fmt: skip
def test_a_model_of_no_kind_is_recorded(
    recording: Recording, generic: Any, rows: Any, kind: str | None, expected: str
) -> None:
    """It says nothing of classes, so all that it predicts but probabilities counts as one thing."""
    generic.predict(rows, **({} if kind is None else {"prediction_type": kind}))
    assert {expected: 1} == operations(recording)


def test_a_ranker_is_recorded(recording: Recording, rows: Any, small: dict[str, Any]) -> None:
    """Its argument has another name."""
    ranker = CatBoostRanker(**small).fit(rows, rows[:, 0], group_id=np.repeat(range(6), 10))
    ranker.predict(rows)
    ranker.predict(X=rows)
    assert {"predict": 2} == operations(recording)
    assert {("CatBoostRanker", ""): 120} == recording.values()


def test_training_and_what_explains_a_model_is_no_request(
    recording: Recording,
    rows: Any,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fitting, scoring, searching and drawing predict inside."""
    monkeypatch.chdir(tmp_path)  # some of them write files there
    labels = (rows[:, 0] > 0).astype(int)
    model = CatBoostClassifier(**small).fit(rows, labels)
    model.score(rows, labels)
    model.eval_metrics(Pool(rows, labels), ["Logloss"])
    model.get_feature_importance()
    model.calc_leaf_indexes(rows)
    list(model.staged_predict(rows))
    CatBoostClassifier(**small).grid_search(
        {"depth": [2]}, rows, labels, cv=2, verbose=False, plot=False
    )
    params = {"loss_function": "Logloss", **small}
    cv(Pool(rows, labels), params, fold_count=2, logging_level="Silent")
    assert {} == recording.counts()
    assert {} == recording.faults()


def test_a_pipeline_is_one_call(recording: Recording, binary: Any, rows: Any) -> None:
    """Inside scikit-learn's pipeline, which is not instrumented here, the model itself counts."""
    pipeline = make_pipeline(FunctionTransformer(), binary)
    pipeline.predict_proba(rows)
    assert {("CatBoostClassifier", "predict_proba")} == set(recording.counts())


def test_a_users_class_is_one_call(recording: Recording, rows: Any, small: dict[str, Any]) -> None:
    """What its method calls by ``super`` is no further call, and its answer is what counts."""

    class Rounded(CatBoostClassifier):  # type: ignore[misc]
        def predict(self, rows: Any, prediction_type: str = "Probability") -> Any:
            return super().predict(rows, prediction_type=prediction_type).round(1)

    model = Rounded(**small).fit(rows, (rows[:, 0] > 0).astype(int))
    model.predict(rows)
    assert {("Rounded", "predict")} == set(recording.counts())
    model.predict(rows=rows[:5])
    assert recording.rows().seen == 65


def test_a_fitted_again_model_has_its_new_names(
    recording: Recording, rows: Any, small: dict[str, Any]
) -> None:
    """Names and classes are looked up anew after ``fit``."""
    model = CatBoostClassifier(**small).fit(rows, np.where(rows[:, 0] > 0, "yes", "no"))
    model.predict_proba(rows)
    model.fit(rows, np.where(rows[:, 0] > 0, "b", "a"))
    model.predict_proba(rows)
    names = [batch.outputs.names for batch in recording.batches() if batch.outputs]
    assert [("yes",), ("b",)] == names


def test_async_code_is_recorded(recording: Recording, binary: Any, rows: Any) -> None:
    """A prediction in a thread of asyncio is one call."""
    asyncio.run(asyncio.to_thread(binary.predict, rows))
    assert {"predict": 1} == operations(recording)


# -- names -------------------------------------------------------------------------------------


def saved(model: Any, folder: Path, name: str = "churn_v3.cbm") -> str:
    """Return where a model was saved."""
    path = folder / name
    model.save_model(str(path))
    return str(path)


def test_a_copy_of_a_loaded_model_is_another_model(
    recording: Recording, binary: Any, rows: Any, tmp_path: Path
) -> None:
    """Nothing was put on the object, so a copy goes by its class."""
    copy.copy(CatBoostClassifier().load_model(saved(binary, tmp_path))).predict(rows)
    assert {"CatBoostClassifier"} == recording.models()


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_model_that_is_not_fitted_raises_its_own_error(recording: Recording, rows: Any) -> None:
    """The library's error, counted by its type, and no fault of ours."""
    with pytest.raises(CatBoostError, match="no trained model"):
        CatBoostClassifier().predict(rows)
    assert {"CatBoostError": 1} == dict(recording.errors())
    assert {} == recording.faults()


@pytest.mark.parametrize("data", ["text", None, 3, {"a": 1}], ids=repr)
def test_input_that_the_library_refuses_is_its_affair(
    recording: Recording, binary: Any, data: Any
) -> None:
    """Whatever is passed, the caller sees the library's error."""
    with pytest.raises(CatBoostError):
        binary.predict(data)
    assert {"CatBoostError": 1} == dict(recording.errors())
    assert {} == recording.faults()


def test_no_argument_is_the_callers_error(recording: Recording, binary: Any) -> None:
    """The message is that of the library's own method."""
    with pytest.raises(TypeError, match="predict\\(\\) missing 1 required positional argument"):
        binary.predict()
    assert {"TypeError": 1} == dict(recording.errors())


def test_a_model_that_dies_before_its_calls_are_counted(
    recording: Recording, rows: Any, binary: Any
) -> None:
    """What waits holds the rows, not the model."""
    model = copy.copy(binary)
    for _ in range(50):
        model.predict(rows)
    del model
    assert {"predict": 50} == operations(recording)
