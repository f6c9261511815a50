"""What is wrapped, and why."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from tidegauge.loading import loader, owner_of
from tidegauge.observe import Decorator, observer, suppressor
from tidegauge.patcher import Functions, Patch, Subclasses

from tidegauge_catboost._extract import describe, features, outputs

# Training, search, and what explains or draws a model: they predict inside, and it is no request.
_TRAINING = (
    "fit",
    "score",
    "grid_search",
    "randomized_search",
    "select_features",
    "eval_metrics",
    "compare",
    "calc_feature_statistics",
    "plot_predictions",
    "plot_partial_dependence",
)

# What ``prediction_type`` may ask of ``predict``. Probabilities are counted one step further in, as
# ``predict_proba``. Of a classifier raw scores and logarithms are no prediction; of any other model
# raw scores are the prediction.
_PROBABILITY = frozenset({"Probability"})
_NO_LABELS = frozenset({"Probability", "LogProbability", "RawFormulaVal", "Exponent"})


def predicts(operation: str) -> Decorator:
    """Return the decorator of a prediction method, whatever its class calls its arguments."""

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        _, *parameters = inspect.signature(original).parameters.values()
        kinds = {each.name: each.default for each in parameters}
        others = _NO_LABELS if kinds.get("prediction_type") == "Class" else _PROBABILITY
        return observer(
            operation,
            describe,
            argument=next(iter(kinds), ""),
            skip=partial(_asks_for, others) if "prediction_type" in kinds else None,
            features=features,
            outputs=outputs,
        )(original)

    return decorate


def _asks_for(kinds: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a call asks for one of these prediction types."""
    return (args[1] if len(args) > 1 else kwargs.get("prediction_type")) in kinds


def _asks_for_others(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return not _asks_for(_PROBABILITY, args, kwargs)


PATCHES: tuple[Patch, ...] = (
    Subclasses(
        "catboost.core",
        "_CatBoostBase",
        {
            "predict": predicts("predict"),
            "predict_proba": predicts("predict_proba"),
            "predict_log_proba": predicts("predict_log_proba"),
            # All of the above end in it. It is counted by itself where ``predict`` was asked for
            # probabilities.
            "_predict": observer(
                "predict_proba",
                describe,
                argument="data",
                skip=_asks_for_others,
                features=features,
                outputs=outputs,
            ),
            "load_model": loader("fname", 1, owner_of),
        }
        | {method: suppressor() for method in _TRAINING},
        # Classes of a training script's ``__main__`` come by value in the model's pickle.
        on_load="__setstate__",
    ),
    Functions("catboost.core", {"sample_gaussian_process": suppressor()}),
)
