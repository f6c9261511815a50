"""The sketch of a numeric column: numpy's quantiles, in any order and any parts, in little room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge_drift.sketch import DISTINCT, SHARE, Sketch, from_keys, to_keys

Values = NDArray[np.float64]
SHARES = np.arange(1, 60) / 60
ROWS = 100_000

SHAPES: dict[str, Callable[[np.random.Generator], Values]] = {
    "normal": lambda rng: rng.normal(size=ROWS),
    "lognormal 3": lambda rng: rng.lognormal(0, 3, ROWS),
    "pareto 1": lambda rng: rng.pareto(1, ROWS),
    "uniform": lambda rng: rng.random(ROWS),
    "large and narrow": lambda rng: 1.7e9 + rng.uniform(-5, 5, ROWS),
    "narrow with outliers": lambda rng: np.append(
        1.7e9 + rng.uniform(-5, 5, ROWS), [1.7e9 + 1e7, 5.0, -1e300]
    ),
    "around a power of two": lambda rng: -rng.uniform(1023, 1025, ROWS),
    "zero-inflated": lambda rng: np.where(rng.random(ROWS) < 0.6, 0.0, rng.normal(size=ROWS)),
    "tiny": lambda rng: 1e-12 * rng.normal(size=ROWS),
    "denormal": lambda rng: np.ldexp(rng.integers(0, 1 << 40, ROWS).astype(np.float64), -1074),
}


def _in_parts(values: Values, cuts: list[int]) -> Sketch:
    sketch = Sketch()
    while True:
        for part in np.split(values, sorted(cuts)):
            sketch.add(part)
        if sketch.done():
            return sketch


def _content(sketch: Sketch) -> list[list[int]]:
    runs = sketch.runs
    return [a.tolist() for a in (runs.low, runs.high, runs.count, runs.depth)]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2))
def test_keys_are_in_the_order_of_floats(values: list[float]) -> None:
    """And lead back to them; the two zeros are one."""
    ordered = np.sort(np.array(values))
    keys = to_keys(ordered)

    assert (from_keys(keys) == ordered).all()
    assert ((keys[1:] > keys[:-1]) == (ordered[1:] > ordered[:-1])).all()


@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float), min_size=1, max_size=200),
    st.lists(st.integers(0, 200), max_size=5),
    st.randoms(use_true_random=False),
)
def test_few_values_are_kept_as_they_are(
    values: list[float], cuts: list[int], random: object
) -> None:
    """Quantiles are numpy's to the bit, whatever the parts and the order."""
    numbers = np.array(values)
    sketch = _in_parts(numbers, cuts)
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert sketch.exact
    assert (sketch.quantiles(SHARES) == np.quantile(numbers, SHARES)).all()
    assert sketch.sample(1000).tolist() == sorted(numbers.tolist())
    assert _content(Sketch.of(np.array(shuffled))) == _content(sketch)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_range_holds_too_much_whatever_the_order_and_the_parts(shape: str) -> None:
    """Of 100,000 rows: 1/1024 at most, one value excepted; a quantile is a few rows off at most."""
    rng = np.random.default_rng(7)
    values = SHAPES[shape](rng)
    sketch = Sketch.of(values)
    other = _in_parts(rng.permutation(values), rng.integers(0, values.size, 6).tolist())
    runs, ordered = sketch.runs, np.sort(values)

    assert _content(sketch) == _content(other)
    several = runs.low < runs.high
    assert runs.count[several].max(initial=0) <= SHARE * values.size
    assert sketch.counts.size < DISTINCT
    assert (sketch.size, sketch.low, sketch.high) == (values.size, ordered[0], ordered[-1])
    starts = np.searchsorted(ordered, sketch.values, "left")
    assert np.diff(np.append(starts, values.size)).tolist() == sketch.counts.tolist()
    found = np.searchsorted(ordered, sketch.quantiles(SHARES), "right")
    assert found == pytest.approx(SHARES * values.size, abs=SHARE * values.size) or shape in (
        "zero-inflated", "denormal"
    )  # fmt: skip


def test_frequent_values_are_counted_exactly() -> None:
    """Among as many others as one likes."""
    rng = np.random.default_rng(3)
    values = np.concatenate((rng.normal(size=60_000), np.full(30_000, 0.1), np.full(20_000, -7.5)))
    sketch = Sketch.of(rng.permutation(values))
    counts = dict(zip(sketch.values.tolist(), sketch.counts.tolist(), strict=True))

    assert not sketch.exact
    assert sketch.frequent(1 / 20).tolist() == [-7.5, 0.1]
    assert (counts[0.1], counts[-7.5]) == (30_000, 20_000)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 1 << 40), st.lists(st.integers(0, 40_000), max_size=6))
def test_any_parts_give_one_sketch(seed: int, scale: int, cuts: list[int]) -> None:
    """Beyond what is kept exactly too."""
    rng = np.random.default_rng(seed)
    values = 1e9 + scale * rng.standard_t(2, 40_000)

    assert _content(_in_parts(rng.permutation(values), cuts)) == _content(Sketch.of(values))
