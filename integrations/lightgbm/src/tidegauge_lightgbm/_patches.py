"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.estimators import estimators
from tidegauge.loading import loader, owner_of
from tidegauge.observe import observer, suppressor
from tidegauge.patcher import Functions, Methods, Patch
from tidegauge.skipping import asks_for

from tidegauge_lightgbm._extract import describe, rows_of

PATCHES: tuple[Patch, ...] = (
    # LGBMClassifier and its like; what their predict calls on the booster is a part of it.
    *estimators("lightgbm.sklearn", "LGBMModel"),
    Methods(
        "lightgbm.basic",
        "Booster",
        {
            "predict": observer(
                "predict",
                describe,
                argument="data",
                skip=asks_for(raw_score=3, pred_leaf=4, pred_contrib=5),
                features=rows_of,
            ),
            "__init__": loader("model_file", 3, owner_of),
            # It has no such parameter: what is filled anew from a text loses its file's name.
            "model_from_string": loader("model_file", 3, owner_of),
        },
    ),
    # Callbacks of the user's may ask the model while it is trained.
    Functions("lightgbm.engine", {"train": suppressor(), "cv": suppressor()}),
)
