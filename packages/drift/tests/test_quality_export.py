"""How old a reference is, and the shares of data quality, as gauges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.built import seconds
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

START_S = 1_700_000_000.0
DAY_S = 86_400
BUILT = "2023-11-13T22:13:20+00:00"  # a day before


def processor(path: Path, *, built: str = BUILT, **more: object) -> DriftProcessor:
    """Return a processor with a reference of an amount and a country."""
    rng = np.random.default_rng(1)
    save(
        build(
            pd.DataFrame(
                {"amount": rng.uniform(0, 1, 3000), "country": rng.choice(["NO", "SE"], 3000)}
            ),
            built=built,
        ),
        path,
    )
    windows = (WindowSpec.parse("300rows"),)
    return DriftProcessor(settings=DriftSettings(reference=str(path), windows=windows, **more))  # type: ignore[arg-type]


def send(found: DriftProcessor) -> None:
    """Send 400 rows: a tenth of the amounts missing, a fifth out of range, a quarter new."""
    amount = np.linspace(0.01, 0.99, 400)
    amount[::10] = np.nan
    amount[1::5] = 7.0
    country = np.array(["NO", "SE", "NO", "FI"] * 100, dtype=object)
    for i in range(4):
        part = slice(i * 100, i * 100 + 100)
        table = Table(100, ("amount", "country"), columns=(amount[part], country[part]))
        found.on_batch(
            Batch(ModelKey("fraud", "3"), "predict", np.full(100, START_S + i), table, None)
        )
    found.on_tick(START_S + 60)


def shares(found: DriftProcessor) -> dict[tuple[str, str], float]:
    """Return the shares by feature and check."""
    return {
        (point.attributes[3], point.spec.name.split(".")[1]): point.value
        for point in found.points()
        if point.spec.name.startswith("data_quality.")
    }


def test_the_shares_are_exported_where_they_are_asked_for(tmp_path: Path) -> None:
    """Each check that a feature has, as numpy counts it; by default none."""
    found = processor(tmp_path / "a.json", export=("psi", "data_quality"))
    send(found)
    assert shares(found) == pytest.approx(
        {
            ("amount", "missing"): 0.1,
            ("amount", "type_error"): 0.0,
            ("amount", "out_of_range"): 80 / 360,
            ("country", "missing"): 0.0,
            ("country", "type_error"): 0.0,
            ("country", "new_category"): 0.25,
        }
    )
    by_default = processor(tmp_path / "b.json")
    send(by_default)
    assert shares(by_default) == {}


def test_a_reference_has_an_age(tmp_path: Path) -> None:
    """Since it was built, by the clock of the tick; before the first tick nobody knows."""
    found = processor(tmp_path / "a.json")
    send(found)

    def ages() -> list[float]:
        return [p.value for p in found.points() if p.spec.name == "drift.reference.age"]

    assert ages() == []
    found.tell(START_S + 60)
    assert ages() == [DAY_S + 60]
    found.tell(START_S - 2 * DAY_S)  # a clock that is wrong: no negative age
    assert ages() == []


def test_a_reference_that_does_not_say_when_has_no_age(tmp_path: Path) -> None:
    """No data is no data point."""
    found = processor(tmp_path / "a.json", built="last summer")
    send(found)
    found.tell(START_S + 60)
    assert "drift.reference.age" not in [point.spec.name for point in found.points()]


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        ("2023-11-14T22:13:20+00:00", START_S),
        ("2023-11-14T22:13:20", START_S),
        ("2023-11-14T23:13:20+01:00", START_S),
        ("2023-11-14", 1_699_920_000.0),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_date_is_read_as_it_is_written(built: str, expected: float | None) -> None:
    """Without a zone it is UTC; what is no date is none."""
    assert seconds(built) == expected
