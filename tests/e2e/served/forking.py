"""An app that forks by itself: predictions and a counter of its own, in parent and children.

Arguments: predictions of the parent before its first fork, then those of each child.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from opentelemetry import metrics
from sklearn.linear_model import LinearRegression

ROWS = np.random.default_rng(0).normal(size=(100, 3))
model = LinearRegression().fit(ROWS, ROWS.sum(axis=1))
jobs = metrics.get_meter("app").create_counter("app.jobs")


def work(count: int) -> None:
    """Predict row by row, and count."""
    for row in ROWS[:count]:
        model.predict(row[None])
        jobs.add(1)
        time.sleep(0.005)  # so that exports fall between


before, *each = map(int, sys.argv[1:])
work(before)
children = []
for count in each:
    pid = os.fork()
    if pid == 0:
        work(count)
        sys.exit(0)
    children.append(pid)
    work(1)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
sys.exit(0 if set(statuses) == {0} else 1)
