"""``configure()``: the set-up in code, for those who do not start by opentelemetry-instrument."""

from __future__ import annotations

import logging
import threading
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry import metrics
from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from tidegauge import leave, pipeline
from tidegauge.attach import attach
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge.settings import SettingError, load

from tidegauge_distro import exporters, settings, startup

_logger = logging.getLogger("tidegauge")
_lock = threading.Lock()
_started: set[str] = set()

#: Distributions whose instrumentors ``configure()`` starts: the others are the app's own affair.
_OURS = "tidegauge-"


def configure(meter_provider: MeterProvider | None = None) -> MeterProvider:
    """Watch every prediction of this process from here on.

    Call it once, early, in the process that predicts; further calls do nothing new. Metrics go
    through ``meter_provider``, else through the global provider where the app has set one, else
    through a new global one with the exporters of ``OTEL_METRICS_EXPORTER`` (by default the
    Prometheus endpoint on loopback).

    Parameters
    ----------
    meter_provider : opentelemetry.sdk.metrics.MeterProvider, optional
        The provider to export through; it stays the caller's and does not become the global one.

    Returns
    -------
    opentelemetry.sdk.metrics.MeterProvider
        The provider that exports.

    Raises
    ------
    SettingError
        A setting is wrong, an exporter is not installed, or there is a global provider that is not
        OpenTelemetry's SDK.
    """
    with _lock:
        for error in startup.setting_errors().values():
            raise error
        shared.settings = load(CoreSettings)
        provider = _provider(meter_provider)
        startup.warn_unknown()
        pipeline.current().processors()  # what is wrong with them is said at the start
        _instrument()
        leave.watch(provider)
        leave.install()
        return provider


def _provider(given: MeterProvider | None) -> MeterProvider:
    found: Any = metrics.get_meter_provider() if given is None else given
    if attach(found):
        return found  # type: ignore[no-any-return]
    if given is not None:
        raise SettingError(
            f"meter_provider: got {type(given).__name__!r} from the argument; expected an "
            "opentelemetry.sdk.metrics.MeterProvider. Leave it out to have one made."
        )
    made = MeterProvider(metric_readers=_readers())
    metrics.set_meter_provider(made)
    if metrics.get_meter_provider() is not made:
        made.shutdown()
        raise SettingError(
            f"The global MeterProvider: got {type(found).__name__!r} from the app; expected one of "
            "OpenTelemetry's SDK. Pass configure(meter_provider=...) one of those."
        )
    attach(made)
    return made


def _readers() -> list[MetricReader]:
    environ = dict(settings.environment())
    for message in exporters.apply_defaults(environ):
        _logger.warning("%s", message)
    choice = exporters.choose(exporters.METRICS, environ)
    for message in choice.errors:
        raise SettingError(message)
    return [
        found() if issubclass(found, MetricReader) else PeriodicExportingMetricReader(found())
        for found in choice.classes.values()
    ]


def instrumentors() -> list[EntryPoint]:
    """Return the instrumentors that come with Tidegauge, installed here."""
    found = entry_points(group="opentelemetry_instrumentor")
    ours = [entry for entry in found if entry.dist and entry.dist.name.startswith(_OURS)]
    return sorted(ours, key=lambda entry: entry.name)


def _instrument() -> None:
    disabled = settings.environment().get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    left_out = {name.strip() for name in disabled.split(",")}
    for entry_point in instrumentors():
        if "*" in left_out or entry_point.name in left_out | _started or entry_point.dist is None:
            continue
        conflict = get_dist_dependency_conflicts(entry_point.dist)
        if conflict is not None:
            missing = not (conflict.found or getattr(conflict, "found_any", None))
            _logger.log(logging.DEBUG if missing else logging.ERROR, "%s", conflict)
            continue
        instrumentor = entry_point.load()()
        if not getattr(instrumentor, "_is_instrumented_by_opentelemetry", False):
            instrumentor.instrument(skip_dep_check=True)
        _started.add(entry_point.name)
