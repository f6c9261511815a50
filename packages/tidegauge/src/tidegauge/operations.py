"""Which of a model's operations feed drift and prediction values.

One of them: serving code that calls two on the same rows must not count the rows twice.
"""

from __future__ import annotations

# From the least to the most telling. What is not listed ranks below them all.
_RANKING = ("score_samples", "decision_function", "predict", "predict_proba")


def rank(operation: str) -> int:
    """Return how telling an operation is: the highest that the app has called so far counts."""
    return _RANKING.index(operation) if operation in _RANKING else -1
