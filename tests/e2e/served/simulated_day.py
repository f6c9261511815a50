"""A day of a service in simulated time: what Prometheus would have scraped, minute by minute.

``simulated_day.py FOLDER SHIFT``: rows are drawn from the reference's own; from noon on one feature
is multiplied by SHIFT. One call in a hundred fails, as on any good day. Prints as JSON each series
as promtool takes it, with a value a minute.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import tidegauge
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge import pipeline
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_exporter_prometheus import PrometheusReader, wsgi_app

START_S = 1_700_006_400.0
MINUTES, CALLS_A_MINUTE, ROWS_A_CALL = 24 * 60, 10, 7
FAILING = 0.01
MODEL = tidegauge.Model("fraud", version="3")
TARGET = 'instance="web-1:9464",job="models"'


def reference(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Return rows of several kinds, with the model's answer."""
    frame = pd.DataFrame(
        {
            "amount": rng.lognormal(3, 1, rows),
            "country": rng.choice(["SE", "NO", "DK", "FI"], rows, p=[0.5, 0.3, 0.15, 0.05]),
            "age": rng.normal(40, 12, rows).round(),
            "visits": rng.poisson(2, rows).astype(float),
            **{f"v{i}": rng.normal(size=rows) for i in range(6)},
        }
    )
    frame.loc[rng.random(rows) < 0.03, "v3"] = np.nan
    score = frame["v0"] + np.log(frame["amount"]) - 3 + rng.normal(size=rows)
    return frame.assign(score=1 / (1 + np.exp(-score)))


def serve(rows: pd.DataFrame, scores: pd.Series, second: float, *, fails: bool) -> None:
    """Make a prediction for some rows."""
    shared.clock = partial(float, second)
    with contextlib.suppress(RuntimeError), MODEL.prediction(rows) as call:
        if fails:
            raise RuntimeError
        call.output = scores.to_numpy()


def begin(*_: object) -> Callable[[bytes], object]:
    """Take the head of an answer."""
    return print


def day(seen: pd.DataFrame, shift: float) -> Iterator[str]:
    """Yield what a scrape gets after each minute."""
    rng = np.random.default_rng(8)
    app = wsgi_app()
    rows_a_minute = CALLS_A_MINUTE * ROWS_A_CALL
    for minute in range(MINUTES):
        rows = seen.iloc[rng.integers(len(seen), size=rows_a_minute)]
        if minute >= MINUTES // 2:
            rows = rows.assign(amount=rows["amount"] * shift)
        features, scores = rows.drop(columns="score"), rows["score"]
        for i in range(CALLS_A_MINUTE):
            at_s = START_S + 60 * minute + 6 * i
            part = slice(i * ROWS_A_CALL, (i + 1) * ROWS_A_CALL)
            serve(features[part], scores[part], at_s, fails=rng.random() < FAILING)
        pipeline.current()._tell()
        shared.clock = partial(float, START_S + 60 * (minute + 1))
        (body,) = app({"REQUEST_METHOD": "GET"}, begin)
        yield body.decode()


def main() -> None:
    """Print the series of the day."""
    folder, shift = Path(sys.argv[1]), float(sys.argv[2])
    seen = reference(np.random.default_rng(7), 10_000)
    path = folder / "fraud.reference.json"
    save(build(seen.drop(columns="score"), outputs=seen[["score"]]), path)
    Pipeline.start = lambda _: None  # type: ignore[method-assign, assignment]
    metrics.set_meter_provider(MeterProvider([PrometheusReader(listen=False)]))
    settings = DriftSettings(reference=str(path))
    pipeline._current = Pipeline([DriftProcessor(settings=settings)])
    series: dict[str, list[str]] = {f"up{{{TARGET}}}": ["1"] * MINUTES}
    for minute, text in enumerate(day(seen, shift)):
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, value = line.rsplit(" ", 1)
            name = re.sub(r"\{|$", "{" + TARGET + ",", name, count=1)
            name = name if name.endswith("}") else name.rstrip(",") + "}"
            values = series.setdefault(name, ["_"] * MINUTES)
            values[minute] = value
    for values in series.values():
        for i in range(1, MINUTES):
            if values[i] == "_" and values[i - 1] not in ("_", "stale"):
                values[i] = "stale"  # as Prometheus marks what a scrape has no longer
    json.dump({name: " ".join(values) for name, values in series.items()}, sys.stdout)


if __name__ == "__main__":
    main()
