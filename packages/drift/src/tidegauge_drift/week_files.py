"""A model's last week as a file: a service that starts again goes on with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegauge import guard, state_folder

from tidegauge_drift.status_files import file_name
from tidegauge_drift.week import Week, WeekError

if TYPE_CHECKING:
    from tidegauge.batch import ModelKey

    from tidegauge_drift.layout import Layout

SUFFIX = ".week"


class WeekFiles:
    """Writes each hour that is over, and what there is at the end.

    ``note`` runs under the drain lock, ``write`` without it.
    """

    def __init__(self) -> None:
        self._noted: dict[ModelKey, object] = {}
        self._due: dict[ModelKey, Week] = {}

    def note(self, model: ModelKey, week: Week, *, last: bool = False) -> None:
        """Take what is to be written of a model: nothing unless an hour is over."""
        if len(week) and (last or self._noted.get(model) != week.turn):
            self._noted[model] = week.turn
            self._due[model] = week.copy()

    def write(self) -> None:
        """Write the files that are due; one that cannot be written is tried again in an hour."""
        for model in list(self._due):
            with guard.guarded("drift.week"):
                content = self._due.pop(model).to_bytes()
                try:
                    state_folder.write(file_name(model, SUFFIX), content)
                except state_folder.StateFolderError as error:
                    guard.once("drift.week.folder", "%s", error, level=logging.ERROR)


def read(model: ModelKey, week: Week, layout: Layout) -> None:
    """Let a new week go on where a service before this one stood."""
    with guard.guarded("drift.week"):
        try:
            content = state_folder.read(file_name(model, SUFFIX))
            if content is not None:
                week.restore(content, layout.digest, layout.size)
        except (WeekError, state_folder.StateFolderError) as error:
            guard.once("drift.week.read", "%s", error, level=logging.ERROR)
