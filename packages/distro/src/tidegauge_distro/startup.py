"""What is checked before anything is set up: exporters, settings, versions."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from packaging.version import Version
from tidegauge import plugins
from tidegauge.misconfiguration import misconfigured
from tidegauge.runtime import read_settings
from tidegauge.settings import Row, SettingError, load, rows, unknown

from tidegauge_distro import exporters, settings

SETTINGS = "tidegauge_settings"

#: From this version on, uvicorn's and multiprocessing's spawned workers are instrumented too.
ZERO_CODE_MINIMUM = "0.63b0"

_logger = logging.getLogger("tidegauge")
_done: set[str] = set()


def setting_classes() -> dict[str, type]:
    """Return the settings of all installed packages by component."""
    return {entry_point.name: found for entry_point, found in plugins.load(SETTINGS)}


def setting_rows() -> Iterator[tuple[str, Row, object]]:
    """Yield component, row and default of each setting, by component.

    What several packages read stands with the first of them.
    """
    seen: set[str] = set()
    for component, found in sorted(setting_classes().items()):
        defaults = {each.name: each.default for each in dataclasses.fields(cast("Any", found))}
        for name, row in rows(found).items():
            if row.env not in seen:
                seen.add(row.env)
                yield component, row, defaults[name]


def known_variables() -> set[str]:
    """Return the variables that an installed package reads."""
    return {row.env for _, row, _ in setting_rows()}


def setting_errors() -> dict[str, SettingError]:
    """Return what is wrong with the settings, by component."""
    errors: dict[str, SettingError] = {}
    for component, found in setting_classes().items():
        try:
            load(found)
        except SettingError as error:
            errors[component] = error
    return errors


def warn_unknown() -> None:
    """Warn of each ``TIDEGAUGE_*`` variable that nobody reads, once a process."""
    if _first("unknown"):
        for message in unknown(known_variables()):
            _logger.warning("%s", message)


def instrumentation_version() -> str:
    """Return the installed version of opentelemetry-instrumentation, empty where there is none."""
    try:
        return version("opentelemetry-instrumentation")
    except PackageNotFoundError:
        return ""


def old_instrumentation(found: str) -> str | None:
    """Return what to say of a version that zero-code cannot rely on, None for a good one."""
    if not found or Version(found) >= Version(ZERO_CODE_MINIMUM):
        return None
    return (
        f"opentelemetry-instrumentation: got {found}; expected >={ZERO_CODE_MINIMUM} for use "
        "without code, older ones lose the workers that uvicorn and multiprocessing spawn. "
        f"pip install -U 'opentelemetry-instrumentation>={ZERO_CODE_MINIMUM}'."
    )


def prepare_zero_code() -> None:
    """Make the environment fit to set OpenTelemetry up from; say what is wrong, never raise."""
    if not _first("zero_code"):
        return
    environ = settings.environment()
    for message in exporters.apply_defaults(environ):
        _logger.warning("%s", message)
    for message in exporters.drop_unusable(environ):
        misconfigured(_logger, message.partition(":")[0], message)
    warn_unknown()
    read_settings()  # now, so that what is wrong is said at the start and not at a prediction
    old = old_instrumentation(instrumentation_version())
    if old is not None:
        _logger.warning("%s", old)


def _first(what: str) -> bool:
    """Say whether this is the first time in this process: distro and configurator both ask."""
    if what in _done:
        return False
    _done.add(what)
    return True
