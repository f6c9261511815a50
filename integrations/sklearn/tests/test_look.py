"""Estimators look and behave as if nobody watched."""

from __future__ import annotations

import copy
import gc
import inspect
import weakref
from io import BytesIO
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted
from tidegauge.estimators import OPERATIONS
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording


def methods() -> dict[tuple[type, str], object]:
    """Return every method of every estimator and mixin that is loaded."""
    found: dict[tuple[type, str], object] = {}
    waiting: list[type] = [BaseEstimator]
    while waiting:
        cls = waiting.pop()
        waiting += type.__subclasses__(cls)
        for owner in cls.__mro__[:-1]:
            for name, value in vars(owner).items():
                if name != "__doc__" and callable(getattr(value, "fn", value)):
                    found[owner, name] = getattr(value, "fn", value)
    return found


def test_all_methods_are_restored(rows: Any, labels: Any) -> None:
    """Uninstrumenting leaves the identical function objects in every class."""
    instrumentor = SklearnInstrumentor()
    before = methods()
    for _ in range(2):
        instrumentor.instrument(skip_dep_check=True)
        during = methods()
        changed = {key for key in before if during[key] is not before[key]}
        assert len(changed) > 100
        assert {name for _, name in changed} >= set(OPERATIONS)
        instrumentor.uninstrument()
        after = methods()
        assert {key for key in before if after[key] is not before[key]} == set()
        assert after.keys() == before.keys()


def test_signatures_and_documentation_stay(instrumented: SklearnInstrumentor) -> None:
    """All wrapped methods tell what the originals tell."""
    wrapped = {key: value for key, value in methods().items() if hasattr(value, "__tidegauge__")}
    assert len(wrapped) > 100
    for (owner, name), value in wrapped.items():
        if name == "__setstate__":
            continue
        original: Any = value.__wrapped__  # type: ignore[attr-defined]
        assert inspect.signature(value) == inspect.signature(original)  # type: ignore[arg-type]
        assert (value.__name__, value.__doc__) == (original.__name__, original.__doc__)  # type: ignore[attr-defined]
        assert value.__qualname__ == original.__qualname__, owner  # type: ignore[attr-defined]


def test_what_a_model_cannot_do_it_still_cannot(
    instrumented: SklearnInstrumentor, rows: Any, labels: Any
) -> None:
    """``available_if`` decides as before, with its own message."""
    without = make_pipeline(StandardScaler(), SVC()).fit(rows, labels)
    assert not hasattr(without, "predict_proba")
    assert hasattr(without, "decision_function")
    with pytest.raises(AttributeError, match="predict_proba"):
        _ = without.predict_proba
    assert not hasattr(make_pipeline(StandardScaler()), "predict")
    assert hasattr(make_pipeline(LogisticRegression()), "predict_proba")
    assert not hasattr(GridSearchCV(SVC(), {"C": [1.0]}), "predict_proba")
    assert not hasattr(LinearRegression(), "predict_proba")
    assert Pipeline.predict.__doc__.startswith("Transform the data")
    assert "X" in inspect.signature(without.predict).parameters


def test_scikit_learns_own_tools_work(recording: Recording, rows: Any, labels: Any) -> None:
    """Cloning, copying, dumping, type checks, routing and printing are as before."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(rows, labels)
    assert isinstance(model, Pipeline)
    assert is_classifier(model)
    check_is_fitted(model)
    copied = clone(model)
    assert copied.get_params()["logisticregression__C"] == 0.5
    with pytest.raises(NotFittedError):
        copied.predict(rows)
    file = BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    for other in (joblib.load(file), copy.deepcopy(model)):
        assert other.predict(rows).tolist() == model.predict(rows).tolist()
    assert "LogisticRegression(C=0.5)" in repr(model)
    assert "LogisticRegression" in model._repr_html_()
    assert recording.calls() == 5
    with sklearn.config_context(enable_metadata_routing=True):
        routed = GaussianProcessRegressor().set_predict_request(return_std=True)
        assert routed.get_metadata_routing().predict.requests == {
            "return_cov": None,
            "return_std": True,
        }


def test_all_ways_to_call_work(recording: Recording, rows: Any, labels: Any) -> None:
    """By position, by keyword, with more keywords, through the class: one record with all rows."""
    model = LogisticRegression().fit(rows, labels)
    expected = model.predict(rows).tolist()
    assert model.predict(X=rows).tolist() == expected
    assert LogisticRegression.predict(model, rows).tolist() == expected
    assert LogisticRegression.predict(model, X=rows).tolist() == expected
    process = GaussianProcessRegressor().fit(rows, labels)
    mean, deviation = process.predict(rows, return_std=True)
    assert mean.shape == deviation.shape == (40,)
    assert len(process.predict(X=rows, return_std=True)) == 2
    assert len(process.predict(rows, True)) == 2
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'X'"):
        model.predict()
    with pytest.raises(TypeError, match="unexpected keyword argument 'Z'"):
        model.predict(rows, Z=1)
    counts = recording.counts()
    assert counts["LogisticRegression", "predict"].success == 4
    assert counts["LogisticRegression", "predict"].rows == 160
    assert dict(counts["LogisticRegression", "predict"].errors) == {"TypeError": 2}
    assert counts["GaussianProcessRegressor", "predict"].rows == 120
    assert recording.faults() == {}


def test_set_output_works(instrumented: SklearnInstrumentor, rows: Any) -> None:
    """scikit-learn wraps transformers itself; both wrappers do their work, and ours goes alone."""

    class Halved(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any, target: Any = None) -> Any:
            return self

        def fit_transform(self, data: Any, target: Any = None) -> Any:
            return data / 2

        def transform(self, data: Any) -> Any:
            return data / 2

        def get_feature_names_out(self, names: Any = None) -> Any:
            return np.array(list("abcd"))

    for _ in range(3):
        for transformer in (Halved(), PCA(2)):
            framed = clone(transformer).set_output(transform="pandas")
            assert isinstance(framed.fit_transform(rows), pd.DataFrame)
            assert isinstance(clone(transformer).fit_transform(rows), np.ndarray)
        instrumented.uninstrument()
        assert isinstance(Halved().set_output(transform="pandas").fit_transform(rows), pd.DataFrame)
        instrumented.instrument(skip_dep_check=True)


def test_classes_made_while_instrumented_go_clean(
    recording: Recording, instrumented: SklearnInstrumentor, rows: Any
) -> None:
    """A class of the user's is patched when made, restored when asked, and not kept alive."""

    class Base(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def predict(self, data: Any) -> Any:
            return np.zeros(len(data))

    class Alias(Base):
        score_samples = Base.predict

    Base().predict(rows)
    Alias().score_samples(rows)
    Alias().predict(rows)
    assert recording.calls() == 3
    instrumented.uninstrument()
    assert not hasattr(vars(Base)["predict"], "__wrapped__")
    Alias().score_samples(rows)
    Base().predict(rows)
    assert recording.calls() == 3
    instrumented.instrument(skip_dep_check=True)
    reference = weakref.ref(Base)
    del Base, Alias
    gc.collect()
    assert reference() is None


def test_init_subclass_arguments_reach_their_class(instrumented: SklearnInstrumentor) -> None:
    """Class keywords and a user's own ``__init_subclass__`` work."""
    seen: list[object] = []

    class Registered(BaseEstimator):  # type: ignore[misc]
        def __init_subclass__(cls, *, label: str = "", **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            seen.append(label)

    class Child(Registered, label="x"):
        """A class with a keyword."""

    assert seen == ["x"]
    assert issubclass(Child, BaseEstimator)
    with pytest.raises(TypeError, match="takes no keyword arguments"):

        class Refused(BaseEstimator, unknown=1):  # type: ignore[misc, call-arg]
            """A class with a keyword that nobody takes."""


def test_bound_methods_taken_before_are_not_lost(rows: Any, labels: Any) -> None:
    """A method taken before instrumenting works; its call is not seen, and is not doubled."""
    model = LogisticRegression().fit(rows, labels)
    early = model.predict
    instrumentor = SklearnInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    with Recording() as recording:
        assert early(rows).tolist() == model.predict(rows).tolist()
        assert recording.calls("predict") == 1
    instrumentor.uninstrument()
