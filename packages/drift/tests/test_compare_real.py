"""``compare`` on data with known drift, and on data without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift import CompareSettings, compare

DATA = Path(__file__).parent / "data"
CAR_LOAN = CompareSettings(
    outputs=["y_pred_proba", "y_pred"], drop=["id", "repaid", "timestamp"]
)  # fmt: skip
DRIFTED = {
    "car_value", "salary_range", "loan_length", "repaid_loan_on_prev_car", "y_pred_proba"
}  # fmt: skip
# NannyML's documentation, debt_to_income_ratio; it bins.
PUBLISHED_KS = (
    0.01576, 0.01268, 0.01734, 0.01280, 0.01918, 0.00824, 0.01058, 0.01002, 0.01068, 0.00680
)  # fmt: skip
CHUNK = 5_000


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name)


def test_car_loans_drift_where_they_are_known_to() -> None:
    """All five columns in drifted chunks, no other one in any chunk, KS as it is printed."""
    reference = _read("nannyml_synthetic_car_loan_reference.csv.gz")
    analysis = _read("nannyml_synthetic_car_loan_analysis.csv.gz")
    for chunk in (1, 4, 5, 9):  # bench/report_real_data.py compares all of them
        rows = analysis[chunk * CHUNK : (chunk + 1) * CHUNK]
        report = compare(reference, rows, settings=CAR_LOAN)
        assert {f.name for f in report.features if f.flagged} == (DRIFTED if chunk >= 5 else set())
        assert report.summary["features"] == 9
        assert report.missing == ()
        ks = report["debt_to_income_ratio"].statistics["ks"].value
        assert ks == pytest.approx(PUBLISHED_KS[chunk], abs=4e-4)


def test_flights_change_their_airlines_in_the_middle_of_the_year() -> None:
    """Halves of 2015 differ; random halves do not."""
    settings = CompareSettings(drop=["Unnamed: 0", "DATE"])
    first, second = _read("flight_delays_reference.csv.gz"), _read("flight_delays.csv.gz")
    report = compare(first, second, settings=settings)

    assert report["AIRLINE"].drifted is True
    assert report.features[0].name == "AIRLINE"
    pooled = pd.concat((first, second), ignore_index=True)
    rng = np.random.default_rng(0)
    for _ in range(3):
        order = rng.permutation(len(pooled))
        halves = pooled.iloc[order[:20_000]], pooled.iloc[order[20_000:40_000]]
        assert not compare(*halves, settings=settings).drifted


def test_bicycles_are_rented_in_another_weather_in_summer() -> None:
    """Winter against summer: the temperatures come first."""
    rows = _read("bikeshare.csv.gz")
    settings = CompareSettings(
        outputs=["bikers"], drop=["season", "mnth", "day", "casual", "registered"]
    )
    report = compare(rows[rows["season"] == 1], rows[rows["season"] == 3], settings=settings)

    assert {feature.name for feature in report.features[:2]} == {"temp", "atemp"}
    assert report["hr"].drifted is False
