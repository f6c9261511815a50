"""The OpenTelemetry configurator: sets the SDK up as upstream does, then joins our metrics."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from tidegauge import leave, pipeline
from tidegauge.attach import attach_global
from tidegauge.guard import guarded
from tidegauge.misconfiguration import misconfigured

from tidegauge_distro import exporters, startup

_logger = logging.getLogger("tidegauge")


class TidegaugeConfigurator(_OTelSDKConfigurator):
    """Never ends the start-up: a service without telemetry is better than none."""

    def _configure(self, **kwargs: Any) -> None:
        with guarded("configurator.prepare"):
            startup.prepare_zero_code()  # another distro may have run in place of ours
        try:
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        except Exception as error:
            installed = ", ".join(sorted(exporters.installed(exporters.METRICS))) or "none"
            misconfigured(
                _logger,
                "OpenTelemetry",
                "OpenTelemetry could not be set up, telemetry of this process is off: "
                f"{type(error).__name__}: {error}. The app is not affected. Installed metrics "
                f"exporters: {installed}. `tidegauge doctor` says more.",
            )
            _logger.debug("configurator", exc_info=error)
        attach_global()
        with guarded("configurator.processors"):
            pipeline.current().processors()  # what is wrong with them is said at the start
        with guarded("configurator.exit"):
            leave.install()
