"""What is read of estimators, whichever library made them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from tidegauge.estimators import describe, given_names
from tidegauge.info import Task


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (np.array(["age", "city"], dtype=object), ("age", "city")),
        (["age", "city"], ("age", "city")),
        (["Column_0", "Column_1"], None),
        (["Column_0", "city"], ("Column_0", "city")),
        (np.array([["a"], ["b"]]), None),
    ],
)
def test_names_that_the_app_gave(given: Any, expected: tuple[str, ...] | None) -> None:
    """Those that a library makes up for the columns of an array would fit no reference."""
    assert expected == given_names(given)


def test_an_estimator_says_what_it_is() -> None:
    """Class, task and classes; names where the app gave some."""
    model = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    info = describe(model)
    assert ("LogisticRegression", Task.CLASSIFICATION) == (info.class_name, info.task)
    assert (("no", "yes"), None, None) == (info.classes, info.feature_names, info.labels)


def test_names_may_stand_in_either_place() -> None:
    """Older releases of LightGBM have a name of their own for them."""
    model = BaseEstimator()
    model.feature_name_ = ["age", "city"]
    assert ("age", "city") == describe(model).feature_names
    model.feature_names_in_ = np.array(["a", "b"])
    assert ("a", "b") == describe(model).feature_names
