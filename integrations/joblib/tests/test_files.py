"""Files as joblib alone has them: compressed, mapped into memory, kept for functions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest
from tidegauge import guard, identity
from tidegauge_joblib import JoblibInstrumentor
from tidegauge_testkit.contracts.loader import name_of


class Table:
    """A model that holds an array."""

    def __init__(self) -> None:
        self.weights = np.arange(1000.0)

    def predict(self, data: Any) -> Any:
        """Answer."""
        return data @ self.weights


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    guard.reset()
    JoblibInstrumentor().instrument()
    yield
    JoblibInstrumentor().uninstrument()
    assert guard.counts() == {}


@pytest.mark.parametrize("ending", [".joblib", ".pkl.gz", ".joblib.xz", ".pkl.z", ".bz2", ""])
def test_compressed_files_are_named_alike(tmp_path: Path, ending: str) -> None:
    """What follows the name is no part of it."""
    path = tmp_path / f"fraud{ending}"
    joblib.dump(Table(), path)
    assert name_of(joblib.load(path)) == "fraud"


@pytest.mark.parametrize("mode", ["r", "c"])
def test_mapped_files_are_named_alike(tmp_path: Path, mode: str) -> None:
    """Their arrays stay in the file."""
    path = tmp_path / "fraud.joblib"
    joblib.dump(Table(), path)
    model = joblib.load(path, mmap_mode=mode)
    assert name_of(model) == "fraud"
    assert isinstance(model.weights, np.memmap)
    assert name_of(joblib.load(filename=str(path), mmap_mode=mode)) == "fraud"


def make() -> Table:
    """Fit a model."""
    return Table()


@pytest.mark.parametrize("mode", [None, "r"])
def test_what_joblib_remembers_has_no_name(tmp_path: Path, mode: str | None) -> None:
    """``Memory`` keeps each result in a file of the same name."""
    remembered = joblib.Memory(tmp_path, mmap_mode=mode, verbose=0).cache(make)
    for _ in range(2):
        assert name_of(remembered()) == "Class"


def test_arrays_are_no_models(tmp_path: Path) -> None:
    """A table of data is loaded as it is."""
    path = tmp_path / "train.joblib"
    joblib.dump(np.arange(10), path)
    assert joblib.load(path).sum() == 45
    joblib.dump([Table()] * 1000, path)
    assert name_of(joblib.load(path)[0]) == "Class"


def test_a_function_that_was_imported_before_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``from joblib import load`` above ``configure()`` is how most scripts begin."""
    path = tmp_path / "fraud.joblib"
    joblib.dump(Table(), path)
    app: Any = ModuleType("app")
    monkeypatch.setitem(sys.modules, "app", app)
    JoblibInstrumentor().uninstrument()
    exec("from joblib import load", vars(app))  # noqa: S102 - an app's first line
    assert name_of(app.load(path)) == "Class"
    JoblibInstrumentor().instrument()
    assert name_of(app.load(path)) == "fraud"


def test_a_forked_worker_knows_the_name(tmp_path: Path) -> None:
    """A model that was loaded before the fork, as gunicorn does with ``--preload``."""
    path = tmp_path / "fraud.joblib"
    joblib.dump(Table(), path)
    model = joblib.load(path)
    identity.forget_all()  # what each forked child does
    assert name_of(model) == "fraud"
