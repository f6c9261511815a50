"""The counting engine against searchsorted, on every shape, chunking and kind of value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.category import hash64
from tidegauge_drift.category_cells import CategoryCounter
from tidegauge_drift.cells import NumericCounter
from tidegauge_drift.layout import Layout
from tidegauge_drift.numeric_columns import as_numbers
from tidegauge_drift.profile import NumericFeature

Matrix = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float, float], Matrix]


def _bimodal(rng: np.random.Generator, n: int, s: float, k: float) -> Matrix:
    low, high = rng.normal(s, 0.1 * k, n), rng.normal(3 + s, k, n)
    return np.where(rng.random(n) < 0.5, low, high)


def _inflated(rng: np.random.Generator, n: int, s: float, k: float) -> Matrix:
    return np.where(rng.random(n) < 0.6, 0.0, np.exp(rng.normal(s, k, n)))


SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n, s, k: rng.normal(s, k, n),
    "lognormal 1": lambda rng, n, s, k: np.exp(rng.normal(s, k, n)),
    "lognormal 2": lambda rng, n, s, k: np.exp(2 * rng.normal(s, k, n)),
    "lognormal 3": lambda rng, n, s, k: np.exp(3 * rng.normal(s, k, n)),
    "t2": lambda rng, n, s, k: s + k * rng.standard_t(2, n),
    "pareto 1": lambda rng, n, s, k: (1 + s) * rng.pareto(1, n) ** k,
    "bimodal": _bimodal,
    "zero-inflated": _inflated,
    "mixed scale": lambda rng, n, s, k: s + k * rng.normal(size=n) * 10.0 ** rng.integers(-2, 3, n),
    "ties": lambda rng, n, s, k: rng.poisson(3 + s, n).astype(float),
    "rounded": lambda rng, n, s, k: np.round(rng.normal(s, k, n), 1),
}


def _feature(values: Matrix) -> NumericFeature:
    feature = build(values[:, None]).features[0]
    assert isinstance(feature, NumericFeature)
    return feature


def _count(feature: NumericFeature, values: Matrix) -> NDArray[np.intp]:
    counter = NumericCounter(
        [feature.edges], [feature.minimum], [feature.maximum], [0], feature.counts.size
    )
    return counter.count(values[:, None])


@pytest.mark.parametrize("shape", SHAPES)
def test_ks_on_cells_is_within_a_two_hundredth_of_scipy(shape: str) -> None:
    """At n = m = 10,000, for shifts up to .3 and scales up to 1.3, as the largest of 12 pairs."""
    rng = np.random.default_rng(11)
    draw, n = SHAPES[shape], 10_000
    worst = 0.0
    for _ in range(3):
        reference = draw(rng, n, 0.0, 1.0)
        feature = _feature(reference)
        for _ in range(4):
            current = draw(rng, n, rng.random() * 0.3, 1 + rng.random() * 0.3)
            exact = stats.ks_2samp(reference, current, method="asymp").statistic
            gap = np.cumsum(feature.counts[:-2] - _count(feature, current)[:-2]) / n
            worst = max(worst, exact - float(np.abs(gap).max()))
            assert np.abs(gap).max() <= exact + 1e-12

    assert worst <= 0.005


@pytest.mark.parametrize("shape", ["lognormal 3", "zero-inflated", "ties"])
def test_exact_edges_count_as_searchsorted_does(shape: str) -> None:
    """Where a feature uses exact edges, every value is where searchsorted puts it."""
    rng = np.random.default_rng(5)
    feature = _feature(SHAPES[shape](rng, 5000, 0.0, 1.0))
    current = SHAPES[shape](rng, 5000, 0.1, 1.0)
    inside = current[(current >= feature.minimum) & (current <= feature.maximum)]
    told = feature.edges.told(feature.minimum, feature.maximum)
    place = np.searchsorted(told.values, inside, "right")
    expected = np.bincount(place, minlength=feature.cells)

    assert feature.edges.ticks is None
    assert expected.tolist() == _count(feature, current)[2:-4].tolist()


def test_atoms_are_counted_by_equality_in_single_precision() -> None:
    """A frequent value has a cell that the next float32 does not fall into."""
    rng = np.random.default_rng(1)
    feature = _feature(np.concatenate((np.full(1000, 2.5), rng.normal(2.5, 1.0, 4000))))
    cell = feature.atoms[0] + 2
    value, up, down = map(np.float32, (2.5, 3.0, 2.0))
    around = np.array([2.5, 2.5, np.nextafter(value, up), np.nextafter(value, down)], np.float64)

    assert len(feature.atoms) == 1
    assert _count(feature, around)[cell] == 2


def test_deciles_are_unions_of_cells_and_bins_hold_tenths() -> None:
    """Each bin of PSI holds a tenth of the reference, up to the grid."""
    rng = np.random.default_rng(2)
    for draw in (SHAPES["normal"], SHAPES["lognormal 1"], SHAPES["t2"]):
        feature = _feature(draw(rng, 10_000, 0.0, 1.0))
        shares = np.bincount(feature.bins, feature.counts[:-2]) / 10_000
        assert shares.size == 10
        assert np.abs(shares - 0.1).max() <= 0.02


def test_a_constant_has_three_bins() -> None:
    """Less, equal, more: a change upward is seen as well as one downward."""
    feature = _feature(np.full(500, 7.0))

    assert feature.bins.tolist() == [0, 0, 1, 2, 2]
    assert feature.counts.tolist() == [0, 0, 500, 0, 0, 0, 0]
    assert _count(
        feature, np.array([-np.inf, 6.9, 7.0, 7.0, 7.1, 8.0, 9.0, np.inf, np.nan])
    ).tolist() == [1, 1, 2, 3, 1, 1, 0]


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e308, -1e308, 3.5]),
)


@given(st.lists(VALUES, min_size=1, max_size=60), st.lists(VALUES, min_size=1, max_size=60))
@settings(max_examples=150, deadline=None)
def test_every_row_is_in_exactly_one_cell(reference: list[float], current: list[float]) -> None:
    """Whatever the values, counts are >= 0 and sum to the rows; special values have their cells."""
    values = np.array([*reference, 0.5])
    feature = _feature(values)
    counts = _count(feature, np.array(current))
    x = np.array(current)

    assert values.size == feature.rows
    assert counts.min() >= 0
    assert x.size == counts.sum()
    assert np.isnan(x).sum() == counts[-2]
    assert (x == -np.inf).sum() == counts[0]
    assert (x == np.inf).sum() == counts[-3]
    low, high = feature.edges.ends(feature.minimum, feature.maximum)
    assert ((x < low) & (x > -np.inf)).sum() == counts[1]
    assert ((x > high) & (x < np.inf)).sum() == counts[-4]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 99), max_size=5))
@settings(max_examples=40, deadline=None)
def test_counts_do_not_depend_on_order_or_chunks(seed: int, cuts: list[int]) -> None:
    """Linear, asinh and exact features together: any order and any cut gives the same counts."""
    rng = np.random.default_rng(seed)
    reference = np.stack([d(rng, 400, 0.0, 1.0) for d in SHAPES.values()], axis=1)
    layout = Layout(build(reference))
    x: Matrix = np.stack([d(rng, 100, 0.2, 1.2) for d in SHAPES.values()], axis=1)
    x[rng.random(x.shape) < 0.05] = np.nan
    columns = tuple(range(x.shape[1]))
    whole = layout.inputs.count(Table(100, None, matrix=x), columns)
    shuffled = np.asfortranarray(rng.permutation(x))
    parts = np.split(shuffled, sorted(set(cuts)))
    summed = sum(layout.inputs.count(Table(len(p), None, matrix=p), columns) for p in parts)

    assert whole.tolist() == np.asarray(summed).tolist()


def test_a_mixed_matrix_counts_each_feature_as_alone() -> None:
    """All features of a matrix at once give what each gives by itself."""
    rng = np.random.default_rng(4)
    reference = np.stack([d(rng, 2000, 0.0, 1.0) for d in SHAPES.values()], axis=1)
    profile = build(reference)
    layout = Layout(profile)
    x: Matrix = np.stack([d(rng, 700, 0.1, 1.5) for d in SHAPES.values()], axis=1)
    counts = layout.inputs.count(Table(700, None, matrix=x), tuple(range(x.shape[1])))

    for j, (slot, feature) in enumerate(zip(layout.slots, profile.features, strict=True)):
        assert isinstance(feature, NumericFeature)
        assert _count(feature, x[:, j]).tolist() == counts[slot.start : slot.stop].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, np.bool_])
def test_other_number_types_count_as_their_float64(dtype: type) -> None:
    """float32, integers and booleans are converted."""
    rng = np.random.default_rng(3)
    layout = Layout(build(rng.normal(1, 2, (500, 2))))
    x: NDArray[Any] = rng.integers(0, 2, (50, 2)).astype(dtype)
    exact = Table(50, None, matrix=x.astype(np.float64))
    columns = Table(50, None, columns=(x[:, 0], x[:, 1]))
    given_as = Table(50, None, matrix=x)
    expected = layout.inputs.count(exact, (0, 1)).tolist()

    assert expected == layout.inputs.count(given_as, (0, 1)).tolist()
    assert expected == layout.inputs.count(columns, (0, 1)).tolist()


class _Hostile:
    def __float__(self) -> float:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    __hash__ = object.__hash__


class _Several:
    """As a tensor of several values: no question has one answer."""

    def __float__(self) -> float:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError

    def __eq__(self, other: object) -> Any:
        return self

    def __ne__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        raise RuntimeError


def _objects(*values: Any) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def test_what_is_no_number_is_a_type_error_and_what_is_missing_is_missing() -> None:
    """Strings, times and hostile objects in a numeric column never raise."""
    values, errors = as_numbers(
        _objects(1, 2.5, "3", " 4 ", Decimal(5), True, None, pd.NA, float("nan"), pd.NaT,
                 "six", dt.date(2026, 1, 1), [7], 1j, _Hostile(), 10**400)
    )  # fmt: skip

    assert values[:6].tolist() == [1.0, 2.5, 3.0, 4.0, 5.0, 1.0]
    assert np.isnan(values[6:]).all()
    assert errors == 6


def test_values_that_answer_no_question_are_type_errors() -> None:
    """And the rows beside them are counted."""
    column = _objects(1.0, _Several(), 2.0)
    values, errors = as_numbers(column)
    counter = CategoryCounter(np.array([hash64("1")], np.uint64), np.array([], np.uint64))

    assert (values[0], values[2], errors) == (1.0, 2.0, 1)
    assert np.isnan(values[1])
    assert counter.count(column).tolist() == [1, 1, 0, 0, 1]
    assert counter.places(column).tolist() == [0, 4, 1]


def test_times_in_a_numeric_column_are_type_errors() -> None:
    """A datetime column is no number, its gaps are missing."""
    values, errors = as_numbers(np.array(["2026-01-01", "NaT"], "M8[s]"))

    assert np.isnan(values).all()
    assert errors == 1


def test_type_errors_have_their_own_count() -> None:
    """In the counts a string is not missing, and every row is still counted once."""
    layout = Layout(build(pd.DataFrame({"a": np.arange(40.0) % 7, "b": list("xyxy") * 10})))
    table = Table(
        4, ("a", "b"), columns=(_objects(1.0, "oops", None, 2), _objects("x", None, [1], "new"))
    )
    counts = layout.inputs.count(table, (0, 1))
    a, b = layout.slots

    assert counts[a.stop - 2 : a.stop].tolist() == [1, 1]
    assert counts[a.start : a.stop].sum() == 4
    # x, y, other known ones, new, missing, type error
    assert counts[b.start : b.stop].tolist() == [1, 0, 0, 1, 1, 1]


def test_categories_are_counted_by_text() -> None:
    """1, 1.0 and True are one category; a known one without its own cell is not new."""
    codes = {name: hash64(name) for name in ("1", "a", "rare")}
    counter = CategoryCounter(
        np.array([codes["1"], codes["a"]], np.uint64), np.array(sorted(codes.values()), np.uint64)
    )

    assert counter.count(
        _objects(1, 1.0, True, "a", "rare", "unseen", None, float("nan"), _Hostile())
    ).tolist() == [3, 1, 1, 1, 2, 1]
    assert counter.count(np.array([1.0, 1.0, 2.0, np.nan])).tolist() == [2, 0, 0, 1, 1, 0]


def test_remembered_categories_are_bounded() -> None:
    """A stream of ever new values does not grow the counter."""
    counter = CategoryCounter(np.array([], np.uint64), np.array([hash64("a")], np.uint64))
    counts = counter.count(_objects(*(f"v{i}" for i in range(5000))))

    assert counts.tolist() == [0, 5000, 0, 0]
    assert len(counter._cells) <= 256
