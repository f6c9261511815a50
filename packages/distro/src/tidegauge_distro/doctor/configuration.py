"""The settings in force: value, origin, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tidegauge.configuration import named
from tidegauge.settings import (
    HIDDEN,
    Row,
    SettingError,
    as_text,
    load,
    rows,
    unknown,
    without_user,
)

from tidegauge_distro import startup
from tidegauge_distro.doctor.report import Report


def examine(report: Report, environ: Mapping[str, str]) -> None:
    """Add one row a setting, and a problem for each that is wrong or unknown."""
    shown = [
        (row.env, *_value(row, default, environ), component)
        for component, row, default in startup.setting_rows()
    ]
    report.add("settings", ("name", "value", "origin", "component"), shown)
    for error in startup.setting_errors().values():
        report.problems.append(str(error))
    report.problems.extend(unknown(startup.known_variables(), environ))


def doubt(report: Report, models: Sequence[str]) -> None:
    """Add what the settings allow but hardly mean, given models that are served here."""
    for found in startup.setting_classes().values():
        if hasattr(found, "doubts"):
            with suppress(SettingError):  # that it is wrong has been said
                report.problems.extend(load(found).doubts(models))


def _value(row: Row, default: object, environ: Mapping[str, str]) -> tuple[str, str]:
    text = environ.get(row.env, "").strip()
    if row.secret:
        return (HIDDEN if text else "", "environment" if text else "default")
    if text:
        return without_user(text), "environment"
    return as_text(default), "default"


def model_names() -> list[str]:
    """Return the names that are set for files of models."""
    text = in_force("TIDEGAUGE_MODEL_NAME") or ""
    return [name for file, name in named(text).items() if file]


def in_force(variable: str) -> Any:
    """Return the value of a setting of any installed package; None where it is wrong or unknown."""
    for found in startup.setting_classes().values():
        for name, row in rows(found).items():
            if row.env == variable:
                try:
                    return getattr(load(found), name)
                except SettingError:
                    return None
    return None
