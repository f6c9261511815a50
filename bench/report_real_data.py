"""What the report says of real and of published data; every check at its full size.

python bench/report_real_data.py --splits 200
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tidegauge_drift import CompareSettings, build, compare

DATA = Path(__file__).parent.parent / "packages" / "drift" / "tests" / "data"
CAR_LOAN = CompareSettings(outputs=["y_pred_proba", "y_pred"], drop=["id", "repaid", "timestamp"])
OUTPUTS = ["y_pred_proba", "y_pred"]
CHANGED = {"car_value", "salary_range", "loan_length", "repaid_loan_on_prev_car", "y_pred_proba"}
PUBLISHED_KS = (
    0.01576, 0.01268, 0.01734, 0.01280, 0.01918, 0.00824, 0.01058, 0.01002, 0.01068, 0.00680
)  # fmt: skip


def car_loan(chunk: int) -> str:
    """Compare the chunks of NannyML's car loans with its reference, as rows and as a profile."""
    reference = pd.read_csv(DATA / "nannyml_synthetic_car_loan_reference.csv.gz")
    analysis = pd.read_csv(DATA / "nannyml_synthetic_car_loan_analysis.csv.gz")
    inputs = reference.drop(columns=[*CAR_LOAN.drop, *OUTPUTS])
    profile = build(inputs, outputs=reference[OUTPUTS])
    lines = []
    for name, before, settings in (
        ("rows", reference, CAR_LOAN),
        ("profile", profile, CompareSettings(drop=["id", "timestamp"])),
    ):
        found = false = drifted = clean = 0
        worst = 0.0
        for i in range(len(analysis) // chunk):
            report = compare(before, analysis[i * chunk : (i + 1) * chunk], settings=settings)
            after = i * chunk >= len(analysis) // 2
            flagged = {feature.name for feature in report.features if feature.flagged}
            changed = CHANGED if after else set()
            found, false = found + len(flagged & changed), false + len(flagged - changed)
            drifted, clean = drifted + len(changed), clean + len(report.features) - len(changed)
            if chunk == 5_000:
                ks = report["debt_to_income_ratio"].statistics["ks"].value or 0.0
                worst = max(worst, abs(ks - PUBLISHED_KS[i]))
        gap = f"{worst:.6f}" if chunk == 5_000 else ""
        counted = f"{found} of {drifted} | {false} of {clean}"
        lines.append(f"| {name} | {chunk:,} | {counted} | {gap} |")
    return "\n".join(lines)


def flights(splits: int) -> str:
    """Compare the halves of 2015, and random halves of both together."""
    settings = CompareSettings(drop=["Unnamed: 0", "DATE"])
    first = pd.read_csv(DATA / "flight_delays_reference.csv.gz")
    second = pd.read_csv(DATA / "flight_delays.csv.gz")
    report = compare(first, second, settings=settings)
    flagged = ", ".join(feature.name for feature in report.features if feature.flagged)
    pooled = pd.concat((first, second), ignore_index=True)
    rng = np.random.default_rng(20_261_126)
    clean = 0
    for _ in range(splits):
        order = rng.permutation(len(pooled))
        one, other = pooled.iloc[order[: len(first)]], pooled.iloc[order[len(first) :]]
        clean += not compare(one, other, settings=settings).drifted
    return f"halves of the year: {flagged}; random halves with nothing: {clean} of {splits}"


def bicycles() -> str:
    """Compare winter with summer."""
    rows = pd.read_csv(DATA / "bikeshare.csv.gz")
    settings = CompareSettings(outputs=["bikers"], drop=["season", "mnth", "day"])
    report = compare(rows[rows["season"] == 1], rows[rows["season"] == 3], settings=settings)
    return ", ".join(
        f"{feature.name} {feature.effect:.1f}" for feature in report.features if feature.flagged
    )


def main() -> int:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=200)
    options = parser.parse_args()
    print("| reference | rows | drifted column-chunks found | clean ones flagged | KS off by |")
    print("| --- | --- | --- | --- | --- |")
    for chunk in (500, 1_000, 5_000):
        print(car_loan(chunk), flush=True)
    print(f"\nflights: {flights(options.splits)}")
    print(f"bicycles, winter against summer: {bicycles()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
