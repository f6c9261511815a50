"""Real data with a daily season: how many hourly windows of a day alarm, pooled and by the hour.

Elec2 (M. Harries, 1999; half-hourly electricity market of New South Wales, 1996 to 1998; no time
column, so rows are taken to be half an hour apart) and Bike Sharing (Fanaee-T and Gama, 2013; UCI,
CC BY 4.0; hourly, 2011). Weeks take turns: one is reference, the next is live. So the seasons of
the year are in both, and what an alarm is about is the hour.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from paging import TIME
from results import complete
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.layout import Layout
from tidegauge_drift.times import slot
from tidegauge_drift.window import ClosedWindow, WindowSpec
from tidegauge_drift.window_judge import judge

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

HOUR_S = 3600
_WEEK_S = 7 * 24 * HOUR_S
_A_MONTH = 30 * 24
#: How a reference is built: without times, with the hour of the day, with times, with both.
KINDS: dict[str, dict[str, str]] = {
    "pooled, no times": {},
    "by hour, dependence left out": {"time_column": TIME, "season": "hour"},
    "pooled": {"time_column": TIME},
    "by hour": {"time_column": TIME, "season": "hour"},
}


def elec2(folder: Path) -> pd.DataFrame:
    """Return prices, demand and transfer, and Unix seconds."""
    names = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    found = pd.read_csv(folder / "elec2.csv.gz").drop(columns="target")
    found.columns = pd.Index(names)
    start = pd.Timestamp("1996-05-07", tz="UTC").timestamp()
    found[TIME] = start + np.arange(len(found)) * HOUR_S / 2
    return found.drop(columns="period")


def bikes(folder: Path) -> pd.DataFrame:
    """Return the weather, the kind of day, and Unix seconds."""
    found = pd.read_csv(folder / "bikeshare.csv.gz")
    start = pd.Timestamp("2011-01-01", tz="UTC").timestamp()
    times = start + ((found["day"] - 1) * 24 + found["hr"].astype(int)) * HOUR_S
    kept = ["temp", "atemp", "hum", "windspeed", "weathersit", "workingday", "bikers"]
    return found[kept].assign(**{TIME: times})


DATA: dict[str, Callable[[Path], pd.DataFrame]] = {"Elec2": elec2, "Bike Sharing": bikes}


def day(rows: pd.DataFrame, name: str, kind: str) -> dict[str, Any]:
    """Judge each hour's rows of the live weeks."""
    weeks = ((rows[TIME] - rows[TIME].iloc[0]) // _WEEK_S).astype(int)
    reference, live = rows[weeks % 2 == 0], rows[weeks % 2 == 1]
    if not KINDS[kind]:
        reference = reference.drop(columns=TIME)
    profile = build(reference, **KINDS[kind])
    if "left out" in kind:
        alone = tuple(replace(feature, deff=1.0) for feature in profile.features)
        profile = replace(profile, features=alone)
    layout = Layout(profile)
    hours = (live[TIME] // HOUR_S % 24).astype(int)
    verdicts = []
    for hour in range(24):
        part = live[hours == hour]
        columns = tuple(part[c].to_numpy() for c in part if c != TIME)
        names = tuple(c for c in part if c != TIME)
        table = Table(len(part), names, columns=columns)
        counts = layout.inputs.count(table, layout.match_inputs(table).columns)
        of_week = pd.Series([str(slot(int(t), "hour_of_week")) for t in part[TIME]]).value_counts()
        window = ClosedWindow(
            WindowSpec("1h", 0, HOUR_S), 0, HOUR_S, len(part), 1, 1, _A_MONTH, counts,
            of_week.to_dict(),
        )  # fmt: skip
        verdicts.append(judge(window, layout, 1, None))
    flagged = np.array([[f.flagged is True for f in v.features] for v in verdicts])
    undecided = np.array([[f.flagged is None for f in v.features] for v in verdicts])
    names = [feature.name for feature in verdicts[0].features]
    return {
        "case": name, "rule": kind, "alarms": int(flagged.any(axis=1).sum()),
        "flagged": dict(zip(names, flagged.sum(axis=0).tolist(), strict=True)),
        "undecided": dict(zip(names, undecided.sum(axis=0).tolist(), strict=True)),
    }  # fmt: skip


def run(given: argparse.Namespace) -> None:
    """Judge a day of each."""
    if given.data is None:
        raise SystemExit("days: got no --data; expected the folder of elec2.csv.gz and others.")
    tasks = (
        ({"case": name, "rule": kind}, functools.partial(day, read(given.data), name, kind))
        for name, read in DATA.items()
        if given.only in name
        for kind in KINDS
    )
    complete(given.results / "days.jsonl", tasks, "days")
