"""A model that takes as long as it is told; nothing here knows that it is watched."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression


class Patient(LogisticRegression):  # type: ignore[misc]
    """Answers after as many seconds as its first feature says."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Predict."""
        time.sleep(X[0][0])
        return super().predict(X)


model = Patient().fit([[0.0], [1.0]], [0, 1])


def score(seconds: float) -> int:
    """Return a label."""
    return int(model.predict(np.array([[seconds]]))[0])
