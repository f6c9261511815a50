"""Serves several models until it is told to stop: healthy ones, drifting ones, a failing one."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import tidegauge
from tidegauge_distro import configure
from tidegauge_drift import build, save

# A name as nobody should choose it, and somebody will.
HOSTILE = "</script><script>alert(1)</script>"
HEALTHY = ("churn", "pricing")
ROWS_A_CALL = 20
PAUSE_S = 0.02


def rows(count: int, random: np.random.Generator) -> pd.DataFrame:
    """Draw rows as the references have them."""
    return pd.DataFrame(
        {
            "age": random.normal(45.0, 12.0, count).round(1),
            "amount": random.lognormal(3.0, 0.8, count).round(2),
            "tenure": random.exponential(4.0, count).round(2),
            "country": random.choice(["DE", "FR", "PL"], count),
        }
    )


def scores(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a model's outputs."""
    return 1 / (1 + np.exp((frame["age"].fillna(45.0).to_numpy() - 45.0) / 12.0))


def references(folder: Path) -> None:
    """Write one reference for each model that has one."""
    random = np.random.default_rng(1)
    train, held_out = rows(5_000, random), rows(5_000, random)
    profile = build(train, outputs=scores(held_out), built="2026-01-01T00:00:00+00:00")
    for name in ("fraud_detection", *HEALTHY):
        save(profile, folder / f"{name}.reference.json")


def refuse() -> NoReturn:
    """Fail as a model does."""
    raise ValueError("a price below zero")


def serve(stop: threading.Event) -> None:
    """Predict until told to stop."""
    random = np.random.default_rng(2)
    models = {
        "fraud_detection": tidegauge.Model("fraud_detection", version="3"),
        **{name: tidegauge.Model(name, version="1") for name in HEALTHY},
        HOSTILE: tidegauge.Model(HOSTILE),
    }
    while not stop.wait(PAUSE_S):
        for name, model in models.items():
            frame = rows(ROWS_A_CALL, random)
            if name == "fraud_detection":
                frame["age"] += 30.0
                frame.loc[frame.index[:8], "country"] = "XX"
                frame.loc[frame.index[8:12], "amount"] = None
            fails = name == "pricing" and random.random() < 0.2
            with contextlib.suppress(ValueError), model.prediction(frame) as p:
                p.output = refuse() if fails else scores(frame)


def main() -> None:
    """Write the references where the environment says they are, and serve."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    references(Path())
    configure()
    serve(stop)


if __name__ == "__main__":
    main()
