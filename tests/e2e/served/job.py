"""A nightly scoring job as anybody writes it: it reads rows, predicts, and ends.

Arguments: the rows, where the scores go, rows a call, exit status.
"""

from __future__ import annotations

import sys

import joblib
import pandas as pd

source, target, rows_a_call, status = sys.argv[1:]
model = joblib.load("model.joblib")
parts = [
    part.assign(score=model.predict(part))
    for part in pd.read_csv(source, chunksize=int(rows_a_call))
]
pd.concat(parts).to_csv(target, index=False)
sys.exit(int(status))
