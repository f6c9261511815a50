"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.observe import observer, suppressor
from tidegauge.patcher import Methods, Patch

from tidegauge_placeholder._extract import describe

# WRITE: the class whose methods predict, and their names. ``tidegauge.observe.observer`` says what
# else a method may need: the argument that holds the features, calls that are no predictions.
# Subclasses instead of Methods where users derive from the class and define the methods anew.
PATCHES: tuple[Patch, ...] = (
    Methods(
        "placeholder",
        "Model",
        {
            # Predictions: each outermost call is one request.
            "predict": observer("predict", describe, argument="X"),
            # Training predicts inside, which is no request.
            "fit": suppressor(),
        },
    ),
)
