"""What the log says of a model's windows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegauge import guard

if TYPE_CHECKING:
    from tidegauge.batch import ModelKey

_logger = logging.getLogger("tidegauge.drift")


def unequal(model: ModelKey) -> None:
    """Say that rows of a pane were counted on other references than the leader's."""
    guard.once(
        "drift.unequal",
        "%s: processes counted on different references; only rows counted on the "
        "leader's are compared until all have noticed the change.",
        model, level=logging.INFO,
    )  # fmt: skip


def clock_went_back(model: ModelKey) -> None:
    """Say that windows start anew."""
    _logger.warning("%s: the clock went back; drift's windows start anew.", model)


def mismatch(model: ModelKey) -> None:
    """Say that the reference seems to be of another model."""
    _logger.error(
        "%s: half of its features or more differ from the reference in the first window: the "
        "reference seems to be of other data. Alarms of inputs and of their data quality are off; "
        "build the reference from rows as the model gets them now, or mend what feeds it.",
        model,
    )  # fmt: skip
