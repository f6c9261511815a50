"""Drift as a processor of predictions."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegauge import guard
from tidegauge.operations import rank
from tidegauge.settings import SettingError, load

from tidegauge_drift import export
from tidegauge_drift.monitor import Listener, Monitor
from tidegauge_drift.references import References
from tidegauge_drift.settings import DriftSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge.batch import Batch, GaugePoint, ModelKey

_logger = logging.getLogger("tidegauge.drift")

_MAXIMUM_MODELS = 1000
# Verdicts of many models that are due at once (midnight) are spread over ticks: collections wait
# for the same lock.
_TICK_S = 0.05


@dataclass(slots=True)
class _Model:
    operation: str
    monitor: Monitor | None


class DriftProcessor:
    """Compares each model's rows with its reference; see ``PredictionProcessor``.

    Parameters
    ----------
    settings : DriftSettings, optional
        Read from the environment if not given.
    listener : callable, optional
        Gets (model, verdict) when a window closes.
    **_
        What other processors are built with, such as a clock: times come with batches and ticks.
    """

    def __init__(
        self,
        *,
        settings: DriftSettings | None = None,
        listener: Listener | None = None,
        **_: Any,
    ) -> None:
        self._listener = listener
        try:
            self._settings = settings if settings is not None else load(DriftSettings)
        except SettingError as error:
            _logger.error("%s Drift is off.", error)  # noqa: TRY400 - one line, no trace
            self._settings = DriftSettings()
        chosen = self._settings
        self._references: References | None = None
        if chosen.reference:
            self._references = References(chosen.reference, chosen.include, chosen.exclude)
            with guard.guarded("drift.reference"):
                self._references.check()
        self.reset()

    def reset(self) -> None:
        """Start from zero: this is a forked child. References are only read: they stay."""
        self._models: dict[ModelKey, _Model] = {}
        self._shown: tuple[Monitor, ...] = ()
        self._turn = 0

    def on_batch(self, batch: Batch) -> None:
        """Count the rows if they are of the operation that is compared."""
        if self._references is None:
            return
        model = self._models.get(batch.model)
        if model is None:
            model = self._adopt(batch)
        if model is None or not self._is_compared(model, batch.operation):
            return
        if model.monitor is not None:
            model.monitor.take(batch)

    def _adopt(self, batch: Batch) -> _Model | None:
        fixed = self._settings.operation
        if fixed and batch.operation != fixed:
            return None
        if len(self._models) >= _MAXIMUM_MODELS:
            guard.once(
                "drift.models", "more than %s models: no drift of further ones", _MAXIMUM_MODELS
            )
            return None
        model = _Model(batch.operation, self._monitor(batch.model))
        self._models[batch.model] = model
        self._show()
        return model

    def _monitor(self, key: ModelKey) -> Monitor | None:
        layout = self._references.get(key.name) if self._references is not None else None
        if layout is None:
            return None
        chosen = self._settings
        budget = export.budget(chosen.max_series, len(chosen.windows), chosen.export)
        return Monitor(
            key, layout, chosen.windows, chosen.pane_s, budget=budget, listener=self._listener
        )

    def _is_compared(self, model: _Model, operation: str) -> bool:
        if operation == model.operation:
            return True
        if self._settings.operation or rank(operation) <= rank(model.operation):
            return False
        model.operation = operation
        if model.monitor is not None:
            model.monitor.restart()
        return True

    def on_tick(self, now_s: float) -> None:
        """Load changed references, close panes and windows."""
        if self._references is None:
            return
        with guard.guarded("drift.reload"):
            if self._references.changed(now_s):
                self._reload(now_s)
        started = time.perf_counter()
        for _ in range(len(self._shown)):
            self._turn = (self._turn + 1) % len(self._shown)
            with guard.guarded("drift.advance"):
                self._shown[self._turn].advance(now_s)
            if time.perf_counter() - started > _TICK_S:
                return

    def _reload(self, now_s: float) -> None:
        for key, model in self._models.items():
            if model.monitor is None:
                model.monitor = self._monitor(key)
                continue
            layout = self._references.get(key.name) if self._references is not None else None
            if layout is not None and layout.digest != model.monitor.newest.digest:
                model.monitor.replace(layout, now_s)
        self._show()

    def _show(self) -> None:
        found = (model.monitor for model in self._models.values())
        self._shown = tuple(monitor for monitor in found if monitor is not None)

    def points(self) -> Iterator[GaugePoint]:
        """Yield the gauges that the stored verdicts say; changes nothing."""
        chosen = self._settings
        for monitor in self._shown:
            if monitor.fits:
                yield from export.points(monitor.snapshot, chosen.windows, chosen.export)
