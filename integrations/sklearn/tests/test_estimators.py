"""Estimators of any shape: what the user wrote works, and is recorded under its own name."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tidegauge import suppress
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording

ROWS = 60
_generator = np.random.default_rng(11)
X = _generator.normal(size=(ROWS, 3))
Y = (X.sum(axis=1) + _generator.normal(scale=0.5, size=ROWS) > 0).astype(int)
Y2 = np.column_stack([Y, 1 - Y])


# The name in its metrics -> what an app serves.
NAMES: dict[str, Any] = {
    "LogisticRegression": LogisticRegression(),
    "VotingClassifier": VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]),
    "Pipeline[LogisticRegression]": make_pipeline(StandardScaler(), LogisticRegression()),
    "Pipeline[Pipeline[GaussianNB]]": make_pipeline(
        ColumnTransformer([("scale", StandardScaler(), [0, 1])], remainder="passthrough"),
        make_pipeline(StandardScaler(), GaussianNB()),
    ),
    "GridSearchCV[Pipeline[GaussianNB]]": GridSearchCV(
        make_pipeline(StandardScaler(), GaussianNB()), {}, cv=2
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_goes_by_what_it_is(recording: Recording, name: str) -> None:
    """The name tells the class and what it wraps; the answer is the one without recording."""
    model = NAMES[name].fit(X, Y)
    with suppress():
        expected = model.predict(X)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert set(recording.counts()) == {(name, "predict")}


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (make_pipeline(StandardScaler(), LinearSVC()), "predict_proba"),
        (GridSearchCV(LinearSVC(), {}, cv=2), "predict_proba"),
        (VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]), "predict_proba"),
        (make_pipeline(StandardScaler(), LinearRegression()), "decision_function"),
    ],
)
def test_what_an_estimator_cannot_do_it_still_cannot(
    recording: Recording, model: Any, missing: str
) -> None:
    """``hasattr`` and the error of a conditional method are scikit-learn's."""
    model.fit(X, Y)
    assert not hasattr(model, missing)
    with pytest.raises(AttributeError, match=missing):
        getattr(model, missing)
    assert recording.counts() == {}


def test_features_by_keyword_count_as_well(recording: Recording) -> None:
    """``predict(X=rows)`` is the same call."""
    model = LogisticRegression().fit(X, Y)
    model.predict(X=X[:7])
    (batch,) = recording.batches()
    assert batch.features is not None
    assert batch.features.rows == 7


def test_unbound_methods_count_as_well(recording: Recording) -> None:
    """``Class.predict(model, rows)`` is the same call, conditional methods included."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    type(model).predict(model, X)
    LogisticRegression.predict(model[-1], X)
    assert recording.calls() == 2


def test_a_user_subclass_of_any_shape_is_recorded(recording: Recording) -> None:
    """A class of the user's with a metaclass, keywords and an order of its own."""
    seen: list[str] = []

    class Meta(type(BaseEstimator)):  # type: ignore[misc]
        pass

    class Mixin:
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return self.answer(X)  # type: ignore[attr-defined]

    class Mine(Mixin, ClassifierMixin, BaseEstimator, metaclass=Meta):  # type: ignore[misc]
        def __init_subclass__(cls, *, word: str = "", **rest: Any) -> None:
            super().__init_subclass__(**rest)
            seen.append(word)

        def answer(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return answer

    class Yours(Mine, word="yours"):
        pass

    answer = np.ones(len(X))
    assert answer is Yours().predict(X)
    assert seen == ["yours"]
    assert {("Yours", "predict")} == set(recording.counts())


def test_a_class_that_hides_its_making_works(recording: Recording) -> None:
    """A class whose parent forgets ``super().__init_subclass__`` is not seen, nor harmed.

    What it inherits from scikit-learn is.
    """

    class Silent(LogisticRegression):  # type: ignore[misc]
        def __init_subclass__(cls) -> None:
            """Tell nobody."""

    class Hidden(Silent):
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return super().predict(X)

    model = Hidden().fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    model.predict_proba(X)
    assert {key: counts.success for key, counts in recording.counts().items()} == {
        ("Hidden", "predict"): 2,
        ("Hidden", "predict_proba"): 1,
    }


def test_an_async_method_is_a_prediction(recording: Recording) -> None:
    """It lasts until its result is there, and the model that it asks is a part of it."""
    import asyncio

    class Remote(BaseEstimator):  # type: ignore[misc]
        async def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            await asyncio.sleep(0)
            return model.predict(X)

    model = LogisticRegression().fit(X, Y)
    asyncio.run(Remote().predict(X))
    assert {("Remote", "predict")} == set(recording.counts())


def test_a_wrapper_of_ours_inside_another_is_not_mistaken(recording: Recording) -> None:
    """``functools.wraps`` around a patched method makes no patched method of the user's."""

    class Twice(LogisticRegression):  # type: ignore[misc]
        @functools.wraps(LogisticRegression.predict)
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return 2 * super().predict(X)

    model = Twice().fit(X, Y)
    model.predict(X)
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert {0.0, 2.0} == set(batch.outputs.matrix.ravel())


def test_several_outputs_stand_side_by_side(recording: Recording) -> None:
    """A list of arrays, one an output, is read as columns."""
    model = MultiOutputClassifier(GaussianNB()).fit(X, Y2)
    model.predict_proba(X[:5])
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert batch.outputs.matrix.shape == (5, 4)


def test_fitting_again_changes_what_is_known(recording: Recording) -> None:
    """Feature names are those of the last fit."""
    import pandas as pd

    model = LogisticRegression().fit(X, Y)
    model.predict(X)
    named = pd.DataFrame(X, columns=["a", "b", "c"])
    model.fit(named, Y)
    model.predict(named)
    assert [
        batch.features.names for batch in recording.batches() if batch.features is not None
    ] == [None, ("a", "b", "c")]


def test_taking_the_patches_back_keeps_what_scikit_learn_wrapped(
    instrumented: SklearnInstrumentor, recording: Recording
) -> None:
    """``set_output`` of a class made under instrumentation works on, and nothing is recorded."""
    import pandas as pd

    class Kept(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def fit_transform(self, X: Any, y: Any = None) -> Any:  # noqa: N803 - scikit-learn's name
            return X

        def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return X

        def get_feature_names_out(self, names: Any = None) -> Any:
            return np.array(["a", "b", "c"], dtype=object)

        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return X[:, 0]

    model = Kept().set_output(transform="pandas")
    assert isinstance(model.fit_transform(X), pd.DataFrame)
    bound = model.predict
    bound(X)
    assert recording.calls() == 1
    instrumented.uninstrument()
    assert isinstance(model.fit_transform(X), pd.DataFrame)
    assert bound(X) is not None
    model.predict(X)
    assert recording.calls() == 1
    instrumented.instrument(skip_dep_check=True)
    model.predict(X)
    assert recording.calls() == 2
