"""What drift costs a process: imports and memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024


def test_importing_it_imports_nothing_heavy() -> None:
    """Scipy comes with the first verdict, pandas and polars only to build."""
    code = (
        "import sys, tidegauge_drift.processor, tidegauge_drift.commands; "
        "print([m for m in ('scipy', 'pandas', 'polars', 'pyarrow', 'opentelemetry.sdk') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def _bytes(path: Path, features: int, models: int) -> float:
    """Return the traced memory a model after windows of both default kinds have closed."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(250, features))
    tracemalloc.start()
    try:
        processor = DriftProcessor(settings=DriftSettings(reference=str(path)))
        for i in range(26):
            now = 1_699_920_000.0 + i * 3_600
            for model in range(models):
                table = Table(250, None, matrix=rows)
                times = np.full(250, now)
                processor.on_batch(Batch(ModelKey(f"m{model}"), "predict", times, table, None))
            processor.on_tick(now + 1)
        assert len(list(processor.points())) > 5 * features
        return tracemalloc.get_traced_memory()[0] / models
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", autouse=True)
def _imports_and_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pay once for what is not a model's."""
    path = tmp_path_factory.mktemp("warm") / "a.json"
    save(build(np.random.default_rng(1).normal(size=(300, 2))), path)
    _bytes(path, 2, 1)


def test_a_model_of_100_features_takes_less_than_512_kib(tmp_path: Path) -> None:
    """Reference, open panes and windows, verdicts of both default windows."""
    path = tmp_path / "a.json"
    save(build(np.random.default_rng(1).normal(size=(2000, 100))), path)

    assert _bytes(path, 100, 1) <= 512 * KIB


@pytest.mark.backends  # needs no service, but long
def test_a_thousand_models_of_10_features_take_less_than_128_mib(tmp_path: Path) -> None:
    """Each with a reference of its own."""
    folder = tmp_path / "references"
    folder.mkdir()
    for model in range(20):
        profile = build(np.random.default_rng(model).normal(size=(500, 10)))
        save(profile, folder / f"m{model}.reference.json")

    assert _bytes(folder, 10, 20) <= 128 * KIB
