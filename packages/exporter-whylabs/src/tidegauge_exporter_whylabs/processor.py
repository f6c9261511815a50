"""The processor of predictions: off unless a writer is chosen, and then only a queue's entrance."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegauge import group, guard, leave, pipeline, state_folder
from tidegauge.batch import Batch, CountPoint, GaugePoint
from tidegauge.misconfiguration import misconfigured
from tidegauge.runtime import shared
from tidegauge.settings import SettingError, load_what_is_right
from tidegauge.state_folder import StateFolderError

from tidegauge_exporter_whylabs import destination, requirement
from tidegauge_exporter_whylabs.background import Background
from tidegauge_exporter_whylabs.backlog import Backlog
from tidegauge_exporter_whylabs.loading import Loading
from tidegauge_exporter_whylabs.losses import Losses
from tidegauge_exporter_whylabs.profiler import Profiler
from tidegauge_exporter_whylabs.sender import Sender
from tidegauge_exporter_whylabs.settings import NONE, WhylabsSettings
from tidegauge_exporter_whylabs.spool import Spool

_logger = logging.getLogger("tidegauge")
_WRITER = "TIDEGAUGE_WHYLABS_WRITER"
_FOLDER = "whylabs"
_SPOOL = ".spool"
_OFF = "No profiles are made; everything else goes on."


class WhylabsProcessor:
    """Lets rows become whylogs profiles; see ``PredictionProcessor``.

    Parameters
    ----------
    settings : WhylabsSettings, optional
        Read from the environment if not given.
    **_
        What other processors are built with.
    """

    def __init__(self, *, settings: WhylabsSettings | None = None, **_: Any) -> None:
        self._settings: WhylabsSettings | None = None
        self._background: Background | None = None
        self._loading: Loading | None = None
        self._spool: Spool | None = None
        with guard.guarded("whylabs.settings"):
            self._settings = _usable(settings)
            if self._settings is not None:
                with suppress(RuntimeError):
                    # whylogs' import may need it, and it can't be loaded when a process ends.
                    import concurrent.futures.thread  # noqa: F401, PLC0415
                pipeline.at_start.append(self._load)
                leave.before_exit.append(self._wait)

    # -- rows ------------------------------------------------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        """Let the rows be profiled, in the background."""
        if self._settings is None:
            return
        if self._background is None:
            self._background = self._begin(self._settings)
        if self._background is not None:
            self._background.take(batch)

    def _begin(self, settings: WhylabsSettings) -> Background | None:
        try:
            folder = _folder(settings)
            writer = destination.writer(settings, folder)
        except (SettingError, StateFolderError) as error:
            self._settings = None
            misconfigured(_logger, str(error).partition(":")[0], f"{error} {_OFF}")
            return None
        losses = Losses()
        self._spool = Spool(folder / _SPOOL, settings.spool_bytes, losses.lost)
        return Background(
            Backlog(
                settings.queue_bytes,
                settings.max_rows_per_s,
                lambda rows: losses.lost(rows, "behind"),
            ),
            Profiler(self._spool.worker, settings.interval_s, settings),
            self._spool,
            Sender(self._spool, writer, losses),
            losses,
            wall=_now,
        )

    def on_tick(self, now_s: float) -> None:  # noqa: ARG002 - the signature of processors
        """Have whylogs loaded where rows will come; what is due has a thread of its own."""
        if group.current().predicts:
            self._load()

    def _load(self) -> None:
        if self._loading is None and self._settings is not None:
            self._loading = Loading()

    def points(self) -> Iterable[GaugePoint | CountPoint]:
        """Return nothing: profiles are no metrics."""
        return ()

    # -- the end ---------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Let a job that ends before whylogs is loaded have its profile."""
        if self._loading is not None and self._settings is not None:
            self._loading.wait(self._settings.load_timeout_s)

    def on_leave(self, now_s: float) -> None:  # noqa: ARG002 - the signature of processors
        """Close the profiles of this process; those that stay send them."""
        if self._background is not None:
            self._background.end(shared.settings.shutdown_timeout_s / 2)

    def on_end(self, now_s: float, timeout_s: float) -> None:  # noqa: ARG002 - as above
        """Close the profiles of this process and send them, as far as there is time."""
        if self._background is not None:
            self._background.end(timeout_s)

    def reset(self) -> None:
        """Start from zero: this is a forked child. What is open is the parent's."""
        if self._spool is not None:
            self._spool.abandon()
        self._background = self._spool = self._loading = None


def _usable(settings: WhylabsSettings | None) -> WhylabsSettings | None:
    """Return the settings of an exporter that is on and can work."""
    found, errors = (settings, []) if settings else load_what_is_right(WhylabsSettings)
    wrong = [error for error in errors if error.subject == _WRITER]
    if found.writer == NONE and not wrong:
        return None
    if errors:
        error = (wrong or errors)[0]
        misconfigured(_logger, error.subject, f"{error} {_OFF}")
        return None
    if message := requirement.missing(f"{_WRITER}={found.writer}"):
        misconfigured(_logger, _WRITER, f"{message}\n{_OFF}")
        return None
    return found


def _folder(settings: WhylabsSettings) -> Path:
    if settings.folder:
        return Path(settings.folder)
    place = state_folder.made()
    if place is None:
        raise SettingError(
            "TIDEGAUGE_WHYLABS_DIR: got nothing from the environment, and TIDEGAUGE_STATE_DIR is "
            "none; expected a folder for profiles. Set one of the two."
        )
    return place / _FOLDER


def _now() -> float:
    return shared.clock()
