"""The settings of resources."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from tidegauge.misconfiguration import misconfigured
from tidegauge.settings import load_what_is_right, setting

from tidegauge_resources.carbon import G_PER_KWH, YEAR

_logger = logging.getLogger("tidegauge")

PROCESS, CONTAINER, GPU, ENERGY, COST = "process", "container", "gpu", "energy", "cost"
SOURCES = (PROCESS, CONTAINER, GPU, ENERGY, COST)
_NONE = "none"


def _sources(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if names == (_NONE,):
        return ()
    if not names or not set(names) <= set(SOURCES):
        raise ValueError(text)
    return names


def _amount(text: str) -> float:
    amount = float(text)
    if not (math.isfinite(amount) and amount >= 0):
        raise ValueError(text)
    return amount


def _country(text: str) -> str:
    code = text.upper()
    if code not in G_PER_KWH:
        raise ValueError(text)
    return code


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """One row a setting."""

    sources: tuple[str, ...] = setting(
        "TIDEGAUGE_RESOURCES_SOURCES",
        SOURCES,
        "What is measured beside the predictions: the process, its container, GPUs, energy and "
        "carbon, requests and cost.",
        parse=_sources,
        expected="some of " + ", ".join(SOURCES) + ", with commas between; or none",
    )
    window_s: float = setting(
        "TIDEGAUGE_RESOURCES_WINDOW_S",
        60.0,
        "Time over which use, requests and cost are averaged; longer where collections are farther "
        "apart.",
        minimum=5,
        maximum=3600,
    )
    cost_per_hour: float | None = setting(
        "TIDEGAUGE_COST_PER_HOUR",
        None,
        "What an hour of the machine, or of the share of it that this service has, costs, in any "
        "currency. It is split over the models by share of prediction time.",
        parse=_amount,
        expected="a number, 0 or more",
    )
    carbon_intensity_g_per_kwh: float | None = setting(
        "TIDEGAUGE_CARBON_INTENSITY_G_PER_KWH",
        None,
        "Grams of CO2e that a kilowatt-hour causes where the machine stands; it goes before the "
        "country.",
        parse=_amount,
        expected="a number, 0 or more",
    )
    carbon_country: str = setting(
        "TIDEGAUGE_CARBON_COUNTRY",
        "",
        f"Country whose mean carbon intensity of {YEAR} is taken, by its two letters of ISO 3166.",
        parse=_country,
        expected="one of " + ", ".join(G_PER_KWH),
    )


def read() -> ResourceSettings:
    """Read the settings; a wrong value is one line, and its default in its place."""
    settings, errors = load_what_is_right(ResourceSettings)
    for error in errors:
        misconfigured(_logger, error.subject, f"{error} Its default is in force.")
    return settings
