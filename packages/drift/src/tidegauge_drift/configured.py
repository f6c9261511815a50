"""What a process is configured for, looked at once when it starts: what cannot work is said now."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegauge import guard, state_folder
from tidegauge.misconfiguration import misconfigured
from tidegauge.settings import SettingError, load

from tidegauge_drift.feature_streams import FeatureStreams
from tidegauge_drift.fleet import FleetCounts
from tidegauge_drift.references import References
from tidegauge_drift.settings import CLASSIC, DriftSettings
from tidegauge_drift.streams import StreamsUnavailableError, load_river
from tidegauge_drift.totals import Totals, together
from tidegauge_drift.warmup_files import check_folder

if TYPE_CHECKING:
    from tidegauge.batch import ModelKey

    from tidegauge_drift.layout import Layout

_logger = logging.getLogger("tidegauge.drift")


def usable(settings: DriftSettings | None) -> DriftSettings:
    """Return the settings, from the environment if not given, without what cannot work.

    Where they are wrong drift is off; where there is no detector for streams, streams are.
    """
    try:
        chosen = settings if settings is not None else load(DriftSettings)
        if chosen.warmup is not None:
            check_folder()
    except SettingError as error:
        misconfigured(_logger, error.subject, f"{error} Drift is off.")
        chosen = DriftSettings()
    if chosen.fleet and not chosen.reference:
        _logger.warning(
            "TIDEGAUGE_DRIFT_FLEET: got true, but no TIDEGAUGE_REFERENCE: nothing is counted. "
            "Set it to the reference that all replicas have."
        )
    if chosen.mode == CLASSIC and chosen.reference:
        _logger.warning(
            "TIDEGAUGE_DRIFT_MODE: got 'classic': PSI >= 0.2, KS p < 0.05 or KL > 0.1 in one "
            "window alarm. Of 20 features without drift at least one alarms in every window of "
            "up to 300 rows, and in about four of ten of 1,000 to 10,000 rows. Unset it for "
            "verdicts with a budget of false alarms."
        )
    if chosen.streams and chosen.reference:
        try:
            load_river()  # now, and not while rows wait
        except StreamsUnavailableError as error:
            name = "TIDEGAUGE_DRIFT_STREAMS"
            misconfigured(_logger, name, f"{name}: {error} No detector runs.")
            return replace(chosen, streams=())
    return chosen


def references(settings: DriftSettings) -> References | None:
    """Return the references that models are compared with, or None for no drift."""
    if not settings.reference:
        return None
    learnt = settings.warmup is not None
    found = References(
        str(state_folder.folder()) if learnt else settings.reference,
        settings.include, settings.exclude, settings.wanted,
        learnt=learnt,
    )  # fmt: skip
    with guard.guarded("drift.reference"):
        found.check()
    return found


def totals(settings: DriftSettings, key: ModelKey, layout: Layout) -> Totals | None:
    """Return what is kept of a model beside its windows."""
    wanted: list[Totals] = []
    if settings.fleet:
        wanted.append(FleetCounts(key, layout, settings.fleet_features))
    if settings.streams:
        with guard.guarded("drift.streams"):
            wanted.append(FeatureStreams(key, layout, settings.streams))
    return together(wanted)
