"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.estimators import estimators
from tidegauge.loading import loader, owner_of
from tidegauge.observe import observer, suppressor
from tidegauge.patcher import Methods, Patch

from tidegauge_xgboost._extract import describe, is_explanation, is_margin, rows_in_place
from tidegauge_xgboost._matrices import rows_of_matrix, sampler

_LOADS = {"load_model": loader("fname", 1, owner_of)}

# Objectives, metrics and callbacks of the user's may ask the model while it is trained. ``train``
# and ``cv`` come to them by these, whoever has imported the two before Tidegauge came.
_TRAINING = ("update", "eval_set")
_CALLBACKS = ("before_training", "after_training", "before_iteration", "after_iteration")

PATCHES: tuple[Patch, ...] = (
    # XGBClassifier and its like; what their predict calls on the booster is a part of it.
    *estimators("xgboost.sklearn", "XGBModel"),
    Methods("xgboost.sklearn", "XGBModel", _LOADS),
    Methods(
        "xgboost.core",
        "Booster",
        {
            "predict": observer(
                "predict", describe, argument="data", skip=is_explanation, features=rows_of_matrix
            ),
            "inplace_predict": observer(
                "inplace_predict", describe, argument="data", skip=is_margin, features=rows_in_place
            ),
            **_LOADS,
            **{method: suppressor() for method in _TRAINING},
        },
    ),
    # A matrix keeps float32 and codes of categories. What it was made of is known here only.
    *(
        Methods("xgboost.core", kind, {"__init__": sampler("data", 1)})
        for kind in ("DMatrix", "QuantileDMatrix")
    ),
    Methods(
        "xgboost.callback", "CallbackContainer", {method: suppressor() for method in _CALLBACKS}
    ),
)
