"""What the page on cells measures, on a few pairs of each shape."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).parents[2] / "bench")
sys.path.insert(0, FOLDER)
import cells  # noqa: E402 - its folder is no package

sys.path.remove(FOLDER)


@pytest.mark.parametrize("shape", cells.SHAPES)
def test_values_from_cells_are_near_those_of_the_rows(shape: str) -> None:
    """KS within .005 of scipy, JS that of the same cells, PSI within .003 or a twentieth."""
    for number in range(4):
        pair = cells.measure(shape, number)

        assert pair.ks == pytest.approx(pair.raw_ks, abs=cells.KS_LIMIT)
        assert pair.ks <= pair.raw_ks + 1e-12
        assert pair.js == pytest.approx(pair.counted_js, abs=1e-12)
        assert pair.psi == pytest.approx(pair.raw_psi, rel=0.05, abs=0.003)
