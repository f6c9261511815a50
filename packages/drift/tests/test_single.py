"""Rows in single precision against a reference in double precision, and the other way about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import Table
from tidegauge_drift import build, load, merge, save
from tidegauge_drift.category_cells import CategoryCounter
from tidegauge_drift.cells import NumericCounter
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import NumericFeature
from tidegauge_drift.segments import Sorter
from tidegauge_drift.single import first_alike, first_beyond, rounded, shortest

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]

LARGEST = float(np.finfo(np.float32).max)
ANY = st.floats(-LARGEST, LARGEST) | st.sampled_from([0.0, 0.1, 1e-45, 7e-46, 5e-324, 2.0**24 + 1])


def _feature(values: Values) -> NumericFeature:
    feature = build(values[:, None]).features[0]
    assert isinstance(feature, NumericFeature)
    return feature


def _count(feature: NumericFeature, values: Values) -> list[int]:
    counter = NumericCounter(
        [feature.edges], [feature.minimum], [feature.maximum], [0], feature.counts.size
    )
    return list(counter.count(values[:, None]).tolist())


@given(st.lists(ANY, min_size=1, max_size=20))
def test_numbers_are_alike_that_numpy_rounds_to_one_float32(values: list[float]) -> None:
    """The first and the last of them do, the ones before and after do not."""
    given_values = np.array(values)
    first, beyond = first_alike(given_values), first_beyond(given_values)
    inside = np.abs(rounded(given_values)) < LARGEST  # beyond there is infinity

    same = rounded(given_values)[inside]
    assert same.tolist() == rounded(first)[inside].tolist()
    assert same.tolist() == rounded(np.nextafter(beyond, -np.inf))[inside].tolist()
    assert (same > rounded(np.nextafter(first, -np.inf))[inside]).all()
    assert (same < rounded(beyond)[inside]).all()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.integers(-60_000, 60_000), min_size=1, max_size=40),
    st.lists(st.integers(-60_000, 60_000), max_size=40),
    st.sampled_from(["double", "single"]),
)
def test_decimals_have_one_cell_in_both_precisions(
    digits: int, reference: list[int], live: list[int], precision: str
) -> None:
    """Each frequent value does, whichever side is rounded, and no row is out of range by it."""
    rows, current = np.array(reference) / 10**digits, np.array([*reference, *live]) / 10**digits
    feature = _feature(np.repeat(rows if precision == "double" else rounded(rows), 5))

    assert _count(feature, current) == _count(feature, rounded(current))


SHAPES: dict[str, Draw] = {
    "three atoms": lambda rng, n: rng.choice([0.1, 0.3, 19.99], n, p=[0.5, 0.3, 0.2]),
    "constant": lambda _, n: np.full(n, 0.1),
    "inflated": lambda rng, n: np.where(rng.random(n) < 0.3, 0.1, rng.exponential(5, n)),
    "25 prices": lambda rng, n: rng.choice(np.arange(1, 26) / 10, n),
    "32 even steps": lambda rng, n: rng.choice(np.arange(33) / 10, n),
    "512 even steps": lambda rng, n: rng.choice(np.arange(513) / 10, n),
    "rounded": lambda rng, n: np.rint(rng.normal(0, 10, n)) / 10,
    "capped": lambda rng, n: np.minimum(rng.normal(0, 1, n), 0.9),
    "many at the ends": lambda rng, n: np.clip(rng.uniform(0.27, 0.73, n), 0.3, 0.7),
    "scaled yes and no": lambda rng, n: (rng.binomial(1, 0.4, n).astype(float) - 0.4123) / 0.4921,
    "heavy tail": lambda rng, n: np.exp(3 * rng.normal(size=n)),
    "two near each other": lambda rng, n: rng.choice([4095.9, 4096.0], n),
    "steps of a large number": lambda rng, n: 65_536 + rng.integers(0, 40, n) / 20,
    "counts": lambda rng, n: rng.poisson(3, n).astype(np.float64),
    "seconds of a month": lambda rng, n: 1.7e9 + np.floor(rng.uniform(0, 2_592_000, n)),
}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_rows_are_no_drift(shape: str, *, merged: bool) -> None:
    """Rounded or not, up to what the grid may be off; also against a reference that is merged."""
    rows = SHAPES[shape](np.random.default_rng(3), 8000)
    for before, after in ((rows, rounded(rows)), (rounded(rows), shortest(rows))):
        parts = [build(part[:, None], built="now") for part in np.split(before, 2)]
        profile = merge(parts) if merged else build(before[:, None])
        layout = Layout(profile)
        found = layout.inputs.count(Table(len(after), None, matrix=after[:, None]), (0,))
        counts = layout.counts.astype(np.int64)
        gap = np.abs(np.cumsum(counts - found)) / len(rows)

        assert counts[[0, 1, -4, -3]].tolist() == found[[0, 1, -4, -3]].tolist()
        assert gap.max() <= 0.005
        if shape in ("three atoms", "constant", "25 prices", "32 even steps", "rounded"):
            assert counts.tolist() == found.tolist()


def test_a_frequent_value_that_changes_is_still_seen() -> None:
    """By the next float32 it is another one."""
    feature = _feature(np.repeat([0.1, 0.3, 19.99], 100))
    other = np.nextafter(np.float32(0.3), np.float32(1)).astype(np.float64)
    (atom,) = (cell for cell in feature.atoms if _count(feature, np.array([0.3]))[cell + 2])

    assert _count(feature, np.array([rounded(np.array([0.3]))[0], 0.3]))[atom + 2] == 2
    assert _count(feature, np.full(5, other))[atom + 2] == 0


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(1.7e9 + np.arange(11.0), id="a few seconds"),
        pytest.param(100_000_000 + np.arange(25.0), id="long codes"),
        pytest.param(np.array([1.0, 1.0 + 1e-12, 2.0]), id="two frequent values"),
    ],
)
def test_what_single_precision_cannot_tell_apart_keeps_its_cells(values: Values) -> None:
    """A model that is served in double precision is not blind to it."""
    feature = _feature(np.repeat(values, 40))
    places = [np.flatnonzero(_count(feature, np.array([value])))[0] for value in values]

    assert len(values) == len(set(places))


def test_a_reference_without_the_mark_is_compared_as_it_was_counted(tmp_path: Any) -> None:
    """Files of earlier versions have none; a saved one has it after it is loaded."""
    path = tmp_path / "a.json"
    save(build(np.repeat([0.1, 0.3, 0.3], 40)[:, None]), path)
    (feature,) = load(path).features
    assert isinstance(feature, NumericFeature)

    assert feature.edges.single
    assert '"single"' in path.read_text()
    assert not _feature(1.7e9 + np.arange(11.0).repeat(9)).edges.single


def test_a_number_as_a_category_is_known_by_either_precision() -> None:
    """A column of texts in the reference, such as one of segments, may come as float32."""
    names = ["0.1", "0.10000000149011612", "x"]
    for known, live in ((names[0], np.float32(0.1)), (names[1], np.float64(0.1))):
        profile = build(pd.DataFrame({"c": [known, "x"] * 20}))
        feature: Any = profile.features[0]
        counter = CategoryCounter(feature.top_hashes, feature.known)
        place = counter.places(np.array([known], object))
        sorter = Sorter(feature.top_hashes)

        assert place.tolist() == counter.places(np.array([live], np.float64)).tolist()
        assert place.tolist() == sorter.places(np.array([live], np.float64)).tolist()
        assert counter.count(np.array([0.2, 7.0, np.inf, np.nan])).tolist()[-3:] == [3, 1, 0]
