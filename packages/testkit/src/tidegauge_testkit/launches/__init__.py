"""Launches of several processes: started as users start them, hurt, and counted."""

from __future__ import annotations

from tidegauge_testkit.launches.clients import Clients, Sent
from tidegauge_testkit.launches.launch import Launch
from tidegauge_testkit.launches.launchers import ALL, BY_HAND, STARTS, USUAL, ZERO_CODE, Launcher
from tidegauge_testkit.launches.ledger import Row, table
from tidegauge_testkit.launches.stage import Stage
from tidegauge_testkit.launches.trial import Trial

__all__ = [
    "ALL",
    "BY_HAND",
    "STARTS",
    "USUAL",
    "ZERO_CODE",
    "Clients",
    "Launch",
    "Launcher",
    "Row",
    "Sent",
    "Stage",
    "Trial",
    "table",
]
