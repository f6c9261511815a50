"""The worker's side of one model: whose rows are counted, and what is said of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.layout import Layout

MODEL = ModelKey("fraud", "3")
START_S = 1_700_000_000.0


@pytest.fixture
def counter() -> PaneCounter:
    """Return a counter for two features and one output."""
    rng = np.random.default_rng(0)
    return PaneCounter(MODEL, Layout(build(rng.normal(size=(500, 2)), outputs=rng.random(500))), 10)


def test_outputs_alone_are_counted(counter: PaneCounter, batch: Callable[..., Any]) -> None:
    """Inputs that could not be read do not lose the outputs."""
    outputs = Table(3, None, matrix=np.full((3, 1), 0.5))
    counter.take(Batch(MODEL, "predict", np.full(3, START_S), None, outputs))
    counter.take(Batch(MODEL, "predict", np.full(3, START_S), None, None))
    (pane,) = counter

    assert (pane.rows, int(pane.counts.sum())) == (3, 3)


def test_outputs_that_do_not_fit_leave_the_inputs(
    counter: PaneCounter, batch: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, however the columns change; outputs alone are then noted, not counted."""
    rows = np.zeros((4, 2))
    for width in (2, 3, 2):
        counter.take(batch(rows, np.full(4, START_S), np.zeros((4, width))))
    wide = Table(4, None, matrix=np.zeros((4, 2)))
    counter.take(Batch(MODEL, "predict", np.full(4, START_S + 10), None, wide))
    pane, noted = counter

    assert (pane.rows, int(pane.counts.sum())) == (12, 24)
    assert (noted.rows, [kind for kind, _ in noted.notes]) == (0, ["other_outputs"])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages == [
        "fraud 3: no drift of its outputs: the reference has 1 outputs, the model gives 2. Build "
        "the reference from rows as the model gets them."
    ]


def test_columns_are_cut_at_the_panes_too(counter: PaneCounter) -> None:
    """A batch of columns that spans two panes is counted in both."""
    columns = (np.array([0.1, 0.2, 0.3], object), np.array([1.0, "x", None], object))
    times = np.array([START_S, START_S, START_S + 10])
    counter.take(Batch(MODEL, "predict", times, Table(3, None, columns=columns), None))

    assert [(pane.index, pane.rows) for pane in counter] == [(170_000_000, 2), (170_000_001, 1)]
    assert [int(pane.counts.sum()) for pane in counter] == [4, 2]


def test_names_that_a_client_chooses_are_no_line_of_the_log(
    batch: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Keys of a request, taken for features, may hold anything, and be as long as they like."""
    rng = np.random.default_rng(0)
    reference = build(pd.DataFrame({"a": rng.normal(size=500), "b": rng.normal(size=500)}))
    counter = PaneCounter(MODEL, Layout(reference), 10)
    names = ("a", "b", "x\nERROR \x1b[2J", "y" * 100_000)
    counter.take(batch(np.zeros((1, 4)), np.full(1, START_S), names=names))

    assert caplog.messages == [
        f"fraud 3: 2 columns are not in the reference (x?ERROR ?[2J, {'y' * 77}...) and not "
        "compared."
    ]
