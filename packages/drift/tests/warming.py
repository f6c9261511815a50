"""A service whose models learn their references, on a clock that stands still."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tidegauge.batch import Batch, GaugePoint, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings
from tidegauge_drift.window import WindowSpec

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
FILE = "fraud.3.reference.json"
REFERENCE = "warmup:1000,2m"


class Service:
    """One process alone; its clock stands still but for the rows that come."""

    def __init__(self, reference: str = REFERENCE, now_s: float = START_S, **changes: Any) -> None:
        options = {"windows": (WindowSpec.parse("300rows"),), "reference": reference, **changes}
        self.drift = DriftProcessor(settings=DriftSettings(**options))
        self.now_s = now_s

    def serve(self, rows: Any, *, rate: float = 20.0, **more: Any) -> Service:
        """Send rows at a rate, 20 at a time, and do what is due after each."""
        for start in range(0, len(rows), 20):
            part = rows[start : start + 20]
            times = self.now_s + np.arange(len(part)) / rate
            self.drift.on_batch(batch(part, times, **more))
            self.now_s += len(part) / rate
            self.tick()
        return self

    def tick(self) -> None:
        """Do what is due, the thread's work too."""
        self.drift.on_tick(self.now_s)
        self.drift.tell(self.now_s)
        if self.drift._warmup is not None:
            self.drift._warmup.wait(60.0)

    def stop(self) -> None:
        """End as a service that is redeployed."""
        self.drift.on_leave(self.now_s)
        self.drift.tell(self.now_s)


def batch(rows: Any, times: Matrix, **more: Any) -> Batch:
    """Return a batch of rows without names, or of given columns."""
    outputs = more.get("outputs")
    table = rows if isinstance(rows, Table) else Table(len(rows), None, matrix=np.asarray(rows))
    if outputs is not None:
        outputs = Table(len(times), None, matrix=np.asarray(rows)[:, :1] * outputs)
    return Batch(
        more.get("model", MODEL), more.get("operation", "predict"), times, table, outputs,
        more.get("stride", 1),
    )  # fmt: skip


def normal(rows: int, seed: int = 0, columns: int = 3) -> Matrix:
    """Return independent rows."""
    return np.random.default_rng(seed).normal(size=(rows, columns))


def info(drift: DriftProcessor) -> list[str]:
    """Return the sources of the references in use."""
    points = [p for p in drift.points() if isinstance(p, GaugePoint)]
    return [
        dict(zip(p.spec.attributes, p.attributes, strict=True))["origin"]
        for p in points
        if "origin" in p.spec.attributes
    ]
