"""However many models an estimator asks, the app has called one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tidegauge import guard
from tidegauge_testkit.recording import Recording

logistic = LogisticRegression


class Doubled(LogisticRegression):  # type: ignore[misc]
    """A user's subclass that asks its parent twice."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Predict, and predict again."""
        return np.maximum(super().predict(X), super().predict(X))


class Threads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A user's ensemble."""

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    def fit(self, X: Any, y: Any) -> Threads:  # noqa: N803 - scikit-learn's name
        """Fit twice."""
        self.fitted_ = [logistic().fit(X, y) for _ in range(2)]
        self.classes_ = self.fitted_[0].classes_
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Ask both in threads of joblib."""
        found = joblib.Parallel(n_jobs=2, backend="threading")(
            joblib.delayed(model.predict)(X) for model in self.fitted_
        )
        return found[0]


class Mixed(RegressorMixin):  # type: ignore[misc]
    """A mixin of the user's, without a base."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Predict the mean."""
        return np.full(len(X), self.mean_)


class Mean(Mixed, BaseEstimator):  # type: ignore[misc]
    """An estimator whose method stands on the user's mixin."""

    def fit(self, X: Any, y: Any) -> Mean:  # noqa: N803 - scikit-learn's name
        """Keep the mean."""
        self.mean_ = float(np.mean(y))
        return self


MODELS: dict[str, Callable[[], Any]] = {
    "linear mixin": logistic,
    "ridge mixin": RidgeClassifier,
    "discriminant mixin": LinearDiscriminantAnalysis,
    "pipeline": lambda: make_pipeline(StandardScaler(), logistic()),
    "pipeline in pipeline": lambda: make_pipeline(make_pipeline(StandardScaler(), logistic())),
    "grid search": lambda: GridSearchCV(logistic(), {"C": [1, 2]}, cv=2),
    "random search": lambda: RandomizedSearchCV(SVC(), {"C": [1, 2]}, n_iter=2, cv=2),
    "search of pipeline": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2]}, cv=2
    ),
    "pipeline of search": lambda: make_pipeline(
        StandardScaler(), GridSearchCV(logistic(), {"C": [1, 2]}, cv=2)
    ),
    "hard voting": lambda: VotingClassifier([("a", logistic()), ("b", GaussianNB())]),
    "soft voting": lambda: VotingClassifier(
        [("a", logistic()), ("b", GaussianNB())], voting="soft"
    ),
    "voting regressor": lambda: VotingRegressor([("a", LinearRegression()), ("b", Mean())]),
    "stacking": lambda: StackingClassifier([("a", logistic()), ("b", GaussianNB())], cv=2),
    "stacking in processes": lambda: StackingClassifier(
        [("a", logistic()), ("b", GaussianNB())], cv=2, n_jobs=2
    ),
    "bagging": lambda: BaggingClassifier(logistic(), n_estimators=4),
    "bagging in processes": lambda: BaggingClassifier(logistic(), n_estimators=4, n_jobs=2),
    "calibrated": lambda: CalibratedClassifierCV(SVC(), cv=2),
    "one against the rest": lambda: OneVsRestClassifier(logistic()),
    "one against one": lambda: OneVsOneClassifier(SVC()),
    "multi output": lambda: _Columns(MultiOutputClassifier(logistic())),
    "multi output in processes": lambda: _Columns(
        MultiOutputRegressor(LinearRegression(), n_jobs=2)
    ),
    "chain": lambda: _Columns(ClassifierChain(logistic())),
    "forest": lambda: RandomForestClassifier(8),
    "forest in threads": lambda: RandomForestClassifier(8, n_jobs=2),
    "forest regressor in threads": lambda: RandomForestRegressor(8, n_jobs=2),
    "extra trees in threads": lambda: ExtraTreesRegressor(8, n_jobs=2),
    "isolation forest in threads": lambda: IsolationForest(n_estimators=8, n_jobs=2),
    "boosting": lambda: AdaBoostClassifier(n_estimators=3),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=3),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=3, early_stopping=True),
    "threshold": lambda: TunedThresholdClassifierCV(logistic(), cv=2),
    "transformed target": lambda: TransformedTargetRegressor(LinearRegression(), func=np.cbrt,
                                                            inverse_func=lambda y: y**3),
    "elimination": lambda: RFE(logistic(), n_features_to_select=2),
    "network": lambda: MLPClassifier((3,), max_iter=400, early_stopping=True),
    "neighbours": lambda: KNeighborsClassifier(3, n_jobs=2),
    "novelty": lambda: LocalOutlierFactor(novelty=True),
    "gaussian process": GaussianProcessRegressor,
    "mixture": lambda: GaussianMixture(2),
    "subclass with super": Doubled,
    "own threads": Threads,
    "own mixin": Mean,
}  # fmt: skip

OPERATIONS = ("predict", "predict_proba", "decision_function", "predict_log_proba", "score_samples")


class _Columns:
    """Fits a model of two outputs to one column of labels twice."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return self._model.fit(X, np.column_stack([y, 1 - y]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_each_operation_is_one_record(
    name: str, recording: Recording, rows: Any, labels: Any
) -> None:
    """Fitting records nothing; each operation that a model has records one call with its rows."""
    model = MODELS[name]().fit(rows, labels)
    assert recording.calls() == 0
    operations = [operation for operation in OPERATIONS if hasattr(model, operation)]
    assert operations
    for operation in operations:
        with np.errstate(divide="ignore"):  # a forest's log of 0
            result = getattr(model, operation)(rows)
        assert len(result) > 0
    counts = recording.counts()
    assert sorted(operation for _, operation in counts) == sorted(operations)
    assert {count.success for count in counts.values()} == {1}
    assert {count.rows for count in counts.values()} == {len(rows)}
    assert recording.faults() == {}


def test_concurrent_forests_stay_apart(recording: Recording, rows: Any, labels: Any) -> None:
    """Forests in threads that are asked from threads count each outermost call."""
    model = RandomForestClassifier(6, n_jobs=2).fit(rows, labels)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.predict(rows[:5]), range(40)))
    assert recording.calls() == 40


def test_an_apps_own_parallel_calls_all_count(recording: Recording, rows: Any, labels: Any) -> None:
    """What the app spreads over joblib's threads are calls of the app."""
    model = logistic().fit(rows, labels)
    joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(model.predict)(rows[:1]) for _ in range(10)
    )
    assert recording.calls("predict") == 10


def test_joblibs_processes_work(recording: Recording, rows: Any, labels: Any) -> None:
    """Models go to joblib's processes and back; what they do there is not this process's record."""
    model = make_pipeline(StandardScaler(), logistic()).fit(rows, labels)
    found = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(model.predict)(rows[i : i + 2]) for i in range(2)
    )
    assert [part.tolist() for part in found] == [
        model.predict(rows[i : i + 2]).tolist() for i in range(2)
    ]
    assert recording.calls() == 2
    with joblib.parallel_backend("loky", n_jobs=2):
        forest = RandomForestClassifier(4, n_jobs=2).fit(rows, labels)
        assert forest.predict(rows).shape == (40,)
    assert recording.calls() == 3


def test_a_nested_failure_is_one_error(recording: Recording, rows: Any, labels: Any) -> None:
    """An exception out of a pipeline's last step is the pipeline's."""
    model = Pipeline([("scale", StandardScaler()), ("model", logistic())]).fit(rows, labels)
    with pytest.raises(ValueError, match="features"):
        model.predict(rows[:, :2])
    assert recording.models() == {"Pipeline[LogisticRegression]"}
    assert dict(recording.errors()) == {"ValueError": 1}
    assert guard.counts() == {}
