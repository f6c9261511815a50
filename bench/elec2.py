"""What drift says of real seasonal rows: two and a half years of electricity in New South Wales.

The first year is the reference, pooled or by hour of the week; the rest is live, a prediction each
half-hour, through the product's processor. An alarm is an onset of ``drift.detected`` of the
inputs. Nobody knows which of them are false: demand grows and the price falls over these years.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from tidegauge_drift.verdict import WindowVerdict

DATA = Path(__file__).parent / "data" / "elec2.csv.gz"
START, HALF_HOUR_S = pd.Timestamp("1996-05-07", tz="UTC"), 1800
REFERENCE_ROWS = 52 * 7 * 48
COLUMNS = ("nswprice", "nswdemand")
_MODEL = ModelKey("elec2")


@dataclass(frozen=True)
class Line:
    """A line of the table; ``ordered`` if the profile knows in which order its rows came."""

    compared: str
    window: str
    season: str = ""
    baseline: str = "reference"
    ordered: bool = True


_POOLED, _HOURLY, _WEEKLY = "first year, pooled", "first year, by hour of the week", "week before"
LINES = (
    *(Line(f"{_POOLED}, order unknown", each, ordered=False) for each in ("1d", "7d")),
    *(Line(_POOLED, each) for each in ("1d", "7d", "28d")),
    *(Line(_HOURLY, each, season="hour_of_week") for each in ("1d", "7d", "28d")),
    *(Line(_WEEKLY, each, baseline="previous_week") for each in ("1d", "7d")),
    *(Line(f"{_WEEKLY}, order unknown", each, baseline="previous_week", ordered=False)
      for each in ("1d", "7d")),
)  # fmt: skip


def rows() -> pd.DataFrame:
    """Return all rows with their times."""
    found = pd.read_csv(DATA)
    return found.assign(ts=START + pd.to_timedelta(np.arange(len(found)) * HALF_HOUR_S, unit="s"))


def verdicts(line: Line, folder: Path) -> list[WindowVerdict]:
    """Return what is said of each window after the first year."""
    every = rows()
    before = every[:REFERENCE_ROWS]
    if line.ordered:
        profile = build(before, time_column="ts", season=line.season)
    else:
        profile = build(before.drop(columns="ts"))
    path = folder / "elec2.reference.json"
    save(profile, path)
    settings = DriftSettings(
        reference=str(path), windows=(WindowSpec.parse(line.window),), baseline=line.baseline
    )
    seen: list[WindowVerdict] = []
    drift = DriftProcessor(settings=settings, listener=lambda _, verdict: seen.append(verdict))
    live = every[REFERENCE_ROWS:]
    values = live[list(COLUMNS)].to_numpy(np.float64)
    begun = (live["ts"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    times = np.asarray(begun, np.float64)
    for start in range(0, len(live), 48):
        part = slice(start, start + 48)
        table = Table(len(values[part]), COLUMNS, matrix=values[part])
        drift.on_batch(Batch(_MODEL, "predict", times[part], table, None))
        drift.on_tick(float(times[part][-1]) + 60)
    drift.on_tick(float(times[-1]) + 60 * 86_400)
    return [verdict for verdict in seen if verdict.rows]


def said(line: Line, found: list[WindowVerdict]) -> str:
    """Return a line of the table."""
    on = False
    onsets = alarmed = undecided = 0
    flagged = dict.fromkeys(COLUMNS, 0)
    for verdict in found:
        now = verdict.detected.get("inputs", False)
        onsets, alarmed, on = onsets + (now and not on), alarmed + now, now
        undecided += all(feature.flagged is None for feature in verdict.features)
        for feature in verdict.features:
            flagged[feature.name] += feature.flagged is True
    effective = [f.finding.effective_rows for verdict in found for f in verdict.features]
    return (
        f"| {line.compared} | {line.window} | {len(found)} | {np.median(effective):.0f} "
        f"| {undecided} | {flagged['nswprice']} | {flagged['nswdemand']} | {onsets} | {alarmed} |"
    )


def main() -> None:
    """Print a line for each way to compare."""
    heads = ("compared with the", "window", "windows", "effective rows", "undecided",
             "price flagged", "demand flagged", "alarms", "windows in alarm")  # fmt: skip
    print(f"| {' | '.join(heads)} |\n| --- | --- |{' ---: |' * 7}")
    for line in LINES:
        with tempfile.TemporaryDirectory() as folder:
            print(said(line, verdicts(line, Path(folder))), flush=True)
    print(f"{len(rows()) - REFERENCE_ROWS} live rows, {REFERENCE_ROWS} of the reference")


if __name__ == "__main__":
    main()
