"""What a reference of a large file takes: seconds of processors, peak memory, bytes of the result.

Run ``python bench/reference_build.py --rows 5000000``; it writes the tables first, in parts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tidegauge_drift import build, save

PART = 100_000
BUILD = """
import resource, sys, time
from tidegauge_drift.files import build_file
from tidegauge_drift.tables import open_table
options = {"time_column": "ts"} if sys.argv[2] == "time" else {}
open_table(sys.argv[1])
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
profile = build_file(sys.argv[1], drop=() if options else ("ts",), **options)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time() - start, before / 1024, after / 1024, profile.rows)
"""


def part(rng: np.random.Generator, start: int, rows: int) -> pd.DataFrame:
    """Return some rows of every kind of column."""
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(start, start + rows), unit="s")
    return pd.DataFrame(
        {
            "ts": at,
            "amount": rng.lognormal(3, 2, rows),
            "score": rng.normal(size=rows),
            "sent": 1.7e9 + rng.uniform(-5, 5, rows),
            "price": rng.integers(1, 100_000, rows) / 100,
            "visits": rng.poisson(4, rows),
            "ratio": np.where(rng.random(rows) < 0.6, 0.0, rng.random(rows)),
            "active": rng.random(rows) < 0.3,
            "country": rng.choice(["SE", "NO", "DK", "FI"], rows),
            "shop": rng.zipf(1.5, rows) % 50_000,
            "user": [f"u{i}" for i in rng.integers(0, 300_000, rows)],
        }
    )


def write(path: Path, rows: int) -> None:
    """Write the table."""
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, PART):
        frame = part(rng, start, min(PART, rows - start))
        if path.suffix == ".csv":
            frame.to_csv(path, index=False, mode="a", header=start == 0)
            continue
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=1_000_000)
    if writer is not None:
        writer.close()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--kind", action="append", choices=["csv", "parquet"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print("file, MB, order, seconds of processors, MiB before, MiB at most, rows", flush=True)
        for kind in given.kind or ("parquet", "csv"):
            path = Path(name) / f"big.{kind}"
            write(path, given.rows)
            for order in ("unknown", "time"):
                done = subprocess.run(
                    [sys.executable, "-c", BUILD, str(path), order],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                seconds, before, after, counted = done.stdout.split()
                size = path.stat().st_size / 1e6
                print(
                    f"{path.name}, {size:.0f}, {order}, {float(seconds):.1f}, {float(before):.0f}, "
                    f"{float(after):.0f}, {counted}", flush=True,
                )  # fmt: skip
        for kind in ("normal", "lognormal"):
            values = getattr(np.random.default_rng(1), kind)(size=(100_000, 100))
            start = time.perf_counter()
            target = Path(name) / "a.reference.json"
            save(build(values), target)
            spent, size = time.perf_counter() - start, target.stat().st_size
            print(f"100 {kind} features of 100,000 rows: {spent:.1f} s, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
