"""The leader's side of one process: what it does with panes that nobody can judge."""

from __future__ import annotations

import numpy as np
import pytest
from tidegauge.batch import ModelKey
from tidegauge_drift import build
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.leader import Leader
from tidegauge_drift.pane import Pane
from tidegauge_drift.window import WindowSpec

SPEC = WindowSpec("30rows", rows=30)


def _pane(layout: str, name: str = "m", cells: int = 10, index: int = 7) -> Pane:
    counts = np.full(cells, 1, np.uint8)
    return Pane(ModelKey(name), "predict", layout, index, 10, counts, 40, 1, 1)


def test_panes_of_a_model_without_a_reference_are_left() -> None:
    """The leader has not found the file yet: the panes are done with, the model is not shown."""
    leader = Leader(10, lambda _: None, lambda _: None)
    leader.give(8, [_pane("a" * 16)])
    leader.work(1.0)

    assert (leader.through, leader.shown) == (8, ())


def test_models_of_a_group_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has its own limit, and so has the leader."""
    monkeypatch.setattr("tidegauge_drift.leader.MAXIMUM_MODELS", 2)
    layout = Layout(build(np.random.default_rng(0).normal(size=(100, 2))))
    leader = Leader(10, lambda key: Evaluator(key, layout, [SPEC], 10), lambda _: None)
    leader.give(8, [_pane(layout.digest, name, layout.size) for name in "abc"])
    leader.work(1.0)

    assert [each.snapshot.model.name for each in leader.shown] == ["a", "b"]


@pytest.mark.parametrize("change", [{"layout": "b" * 16}, {"cells": 3}])
def test_a_pane_of_another_reference_passes_without_rows(change: dict[str, object]) -> None:
    """The window stays as it was, and the pane is not waited for again."""
    layout = Layout(build(np.random.default_rng(0).normal(size=(100, 2))))
    evaluator = Evaluator(ModelKey("m"), layout, [SPEC], 10)
    evaluator.fold([_pane(**{"layout": layout.digest, "cells": layout.size, **change})])  # type: ignore[arg-type]

    assert (evaluator.first, evaluator.tumblers) == (8, ())
