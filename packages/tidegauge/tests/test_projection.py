"""Embeddings become few columns that keep their distances."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from tidegauge.projection import COMPONENTS, MAX_WIDTH, project


@given(width=st.integers(1, COMPONENTS), seed=st.integers(0, 10))
def test_narrow_rows_are_rotated(width: int, seed: int) -> None:
    """Up to as many numbers as there are columns, every distance is kept."""
    rows = np.random.default_rng(seed).normal(size=(9, width))
    projected = project(rows)
    assert projected.shape == (9, width)
    np.testing.assert_allclose(pdist(projected), pdist(rows), rtol=1e-9)


@pytest.mark.parametrize("width", [17, 384, 768, 4096])
def test_distances_are_kept_on_average(width: int) -> None:
    """The ratio of squared distances is 1 on average, and spreads as the theory says."""
    rows = np.random.default_rng(width).normal(size=(400, width))
    ratios = (pdist(project(rows)) / pdist(rows)) ** 2
    bound = np.sqrt(2 / COMPONENTS)
    assert 1 == pytest.approx(ratios.mean(), abs=3 * bound / np.sqrt(400))
    assert ratios.std() <= bound * 1.1
    assert np.mean(np.abs(ratios - 1) < 2 * bound) > 0.9


def test_a_moved_embedding_moves_the_projection() -> None:
    """A shift of the whole space is seen at its own size."""
    rows = np.random.default_rng(1).normal(size=(2000, 384))
    shift = np.random.default_rng(2).normal(size=384)
    shift /= np.linalg.norm(shift)
    moved = project(rows + 5 * shift).mean(axis=0) - project(rows).mean(axis=0)
    assert 2.5 < np.linalg.norm(moved) < 7.5


def test_every_process_has_the_same_directions() -> None:
    """References of one process are compared with windows of another."""
    code = (
        "import numpy as np; from tidegauge.projection import project;"
        "print(*project(np.arange(100.0).reshape(1, 100)).round(6)[0])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    expected = project(np.arange(100.0).reshape(1, 100)).round(6)[0]
    assert " ".join(map(str, expected)) == said.strip()
    # These numbers are part of the format of references: no release may change them.
    np.testing.assert_allclose(expected[:3], FIRST, atol=1e-5)


FIRST = (-48.716261, -157.819686, -124.756773)


def test_what_is_not_finite_stays_so() -> None:
    """A broken embedding is a missing value, not a fault, and spoils no other row."""
    rows = np.ones((3, 40))
    rows[0, 0], rows[1, 3] = np.nan, np.inf
    assert [False, False, True] == np.isfinite(project(rows)).all(axis=1).tolist()


def test_no_rows_are_no_rows() -> None:
    """An empty batch is no fault."""
    assert (0, COMPONENTS) == project(np.empty((0, 99))).shape


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (2, 0), (1, MAX_WIDTH + 1)])
def test_what_is_no_table_of_embeddings_is_refused(shape: tuple[int, ...]) -> None:
    """The message says what was got and what to do."""
    with pytest.raises(ValueError, match="Pool the tokens") as caught:
        project(np.zeros(shape))
    assert str(caught.value) == (
        f"project rows: got an array of shape {shape} from the argument; expected one embedding "
        "a row, with 1 to 65536 numbers. Pool the tokens of a text first."
    )
