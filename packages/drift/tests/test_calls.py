"""How alike rows of one call are: counted in any parts, estimated without bias, told from drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.calls import FEWEST_CALLS, Likeness, count_calls, events, whole
from tidegauge_drift.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASES = ("ab", "cd", "ef", "gh")


def _table(seed: int, rows: int) -> tuple[Table, tuple[int, ...]]:
    """Return two numbers, of which some are missing or beyond the reference, and a category."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(scale=1.5, size=(rows, 2))
    numbers[rng.random((rows, 2)) < 0.1] = np.nan
    numbers[rng.random((rows, 2)) < 0.02] = np.inf
    some = np.array([*BASES, "new", None], object)
    words = rng.choice(some, size=rows, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    columns = (numbers[:, 0], words, numbers[:, 1])
    return Table(rows, None, columns=columns), (0, 1, 2)


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Return a reference of two numbers and a category."""
    rng = np.random.default_rng(0)
    frame: Any = pytest.importorskip("pandas").DataFrame(
        {
            "a": rng.normal(size=3000),
            "word": rng.choice(BASES, size=3000, p=[0.4, 0.3, 0.2, 0.1]),
            "b": rng.normal(size=3000),
        }
    )
    return Layout(build(frame))


def _part(table: Table, start: int, stop: int) -> Table:
    columns = tuple(column[start:stop] for column in table.columns or ())
    return Table(stop - start, None, columns=columns)


def test_each_value_is_in_the_place_that_it_is_counted_in(layout: Layout) -> None:
    """What is missing, infinite, out of range, new or rare too."""
    table, columns = _table(1, 500)
    counted = layout.inputs.count(table, columns)
    places = layout.inputs.places(table, columns)

    assert counted.tolist() == np.bincount(places.ravel(), minlength=layout.size).tolist()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_sums_over_calls_are_the_same_in_any_parts(
    layout: Layout, sizes: list[int], seed: int
) -> None:
    """One batch, a batch a call, or calls in another order: each sum is a plain one."""
    table, columns = _table(seed, sum(sizes))
    ends = np.cumsum(sizes).tolist()
    count = layout.inputs.count_calls
    whole = count(table, columns, np.array(sizes))
    parts = [
        count(_part(table, end - size, end), columns, np.array([size]))
        for size, end in zip(sizes, ends, strict=True)
    ]
    order = np.random.default_rng(seed).permutation(len(sizes)).tolist()

    assert whole.tolist() == sum(parts[i] for i in order).tolist()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_sums_are_those_that_are_counted_by_hand(
    layout: Layout, sizes: list[int], seed: int
) -> None:
    """Call by call and row by row, of deciles and of categories."""
    table, columns = _table(seed, sum(sizes))
    found = layout.inputs.count_calls(table, columns, np.array(sizes))
    places = layout.inputs.places(table, columns)
    expected = np.zeros_like(found)
    start = 0
    for size in sizes:
        part = places[start : start + size]
        start += size
        for j, slot in enumerate(layout.slots):
            parts = [int(layout.inputs.events[place]) for place in part[:, j]]
            known = [part for part in parts if part < 10]
            for event in range(9):
                x = sum(p <= event if slot.numeric else p == event for p in known)
                expected[j, event] += x
                expected[j, 9 + event] += x * x
            expected[j, 18] += len(known)
            expected[j, 19] += len(known) ** 2

    assert expected.tolist() == found.tolist()


def test_tenths_are_those_of_the_reference_and_categories_its_most_frequent(
    layout: Layout,
) -> None:
    """About a tenth of the rows is in each; categories by their order in the reference."""
    for slot in layout.slots:
        parts = layout.inputs.events[slot.start : slot.stop]
        rows = np.bincount(parts, layout.counts[slot.start : slot.stop], 11)
        if slot.numeric:
            assert np.abs(rows[:10] / rows.sum() - 0.1).max() < 0.02
        else:
            assert [0, 1, 2, 3] == parts[:4].tolist()
            assert rows[0] > rows[1] > rows[2] > rows[3] > 0
        assert [10, 10] == parts[-2:].tolist()


def test_many_categories_beyond_the_ninth_are_one() -> None:
    """So are those that the reference does not have."""
    parts = events(np.arange(20), numeric=False)

    assert [*range(9), *[9] * 9, 10, 10] == parts.tolist()


def _calls(
    rng: np.random.Generator, calls: int, rows: int, alike: float, shift: float = 0.0
) -> NDArray[np.float64]:
    """Return rows of one feature whose calls share an effect: their correlation is ``alike``."""
    shared = np.repeat(rng.normal(size=calls), rows)
    own = rng.normal(size=calls * rows)
    return np.asarray(shift + np.sqrt(alike) * shared + np.sqrt(1 - alike) * own)


@pytest.fixture(scope="module")
def normal() -> Layout:
    """Return a reference of one normal feature."""
    return Layout(build(np.random.default_rng(0).normal(size=(10_000, 1))))


def _fold(likeness: Likeness, normal: Layout, values: NDArray[np.float64], rows: int) -> None:
    """Show calls to it, five a pane."""
    for part in np.array_split(values, len(values) // (5 * rows)):
        sizes = np.full(5, rows)
        table = Table(len(part), None, matrix=part[:, None])
        counted = normal.inputs.count_calls(table, (0,), sizes)
        likeness.fold(whole(sizes, [counted]))


def _correlation(likeness: Likeness) -> float:
    found = likeness.correlations()
    assert found is not None
    return float(found[0])


@pytest.mark.parametrize(("alike", "rows"), [(0.05, 64), (0.3, 64), (0.9, 64), (0.3, 4)])
def test_the_correlation_is_that_of_the_deciles_of_normal_rows(
    normal: Layout, alike: float, rows: int
) -> None:
    """Oracle: the bivariate normal distribution function, integrated by scipy."""
    stats = pytest.importorskip("scipy.stats")
    tenths = stats.norm.ppf(np.arange(1, 10) / 10)
    both = stats.multivariate_normal([0, 0], [[1, alike], [alike, 1]])
    p = stats.norm.cdf(tenths)
    q = np.array([both.cdf([t, t]) for t in tenths])
    expected = (q - p * p).sum() / (p - p * p).sum()
    rng = np.random.default_rng(3)
    found = []
    for _ in range(20):
        likeness = Likeness(normal.slots)
        _fold(likeness, normal, _calls(rng, 100, rows, alike), rows)
        found.append(_correlation(likeness))
    error = np.std(found) / np.sqrt(len(found))

    assert abs(np.mean(found) - expected) < 4 * error + 0.002


def test_independent_rows_are_hardly_taken_for_fewer(normal: Layout) -> None:
    """After 30 calls of 64 rows the design effect is above its 1 by a tenth at most on average."""
    rng = np.random.default_rng(5)
    effects = []
    for _ in range(40):
        likeness = Likeness(normal.slots)
        _fold(likeness, normal, _calls(rng, 30, 64, 0.0), 64)
        effects.append(1 + 63 * _correlation(likeness))

    assert 1 <= np.mean(effects) < 1.1
    assert min(effects) == 1


def test_nothing_is_known_before_thirty_calls(normal: Layout) -> None:
    """A correlation of few calls would be a guess."""
    likeness = Likeness(normal.slots)
    rng = np.random.default_rng(6)
    for fold in range(6):
        assert likeness.correlations() is None, fold
        _fold(likeness, normal, _calls(rng, 5, 8, 0.5), 8)

    assert FEWEST_CALLS == 30
    assert _correlation(likeness) > 0.1


def test_a_lasting_change_is_no_correlation(normal: Layout) -> None:
    """Half of the calls before it and half after it: rows of a call are as unlike as ever."""
    rng = np.random.default_rng(7)
    likeness = Likeness(normal.slots)
    _fold(likeness, normal, _calls(rng, 300, 64, 0.0), 64)
    _fold(likeness, normal, _calls(rng, 300, 64, 0.0, shift=1.5), 64)

    assert _correlation(likeness) < 0.01


def test_a_trend_among_calls_counts(normal: Layout) -> None:
    """Calls that follow each other differ: rows of one are more alike than rows of several."""
    rng = np.random.default_rng(8)
    likeness = Likeness(normal.slots)
    effect = np.repeat(np.sin(np.arange(300) / 10), 64)
    _fold(likeness, normal, effect + rng.normal(size=300 * 64), 64)

    assert _correlation(likeness) > 0.1


def test_categories_show_the_one_that_comes_in_runs(layout: Layout) -> None:
    """All rows of some calls have one category, the others are independent."""
    rng = np.random.default_rng(9)
    words = rng.choice(BASES, size=(60, 20), p=[0.4, 0.3, 0.2, 0.1])
    words[::5] = BASES[2]
    likeness = Likeness(layout.slots)
    numbers = rng.normal(size=1200)
    table = Table(1200, None, columns=(numbers, words.ravel().astype(object), numbers))
    sizes = np.full(60, 20)
    counted = layout.inputs.count_calls(table, (0, 1, 2), sizes)
    likeness.fold(whole(sizes, [counted]))
    found = likeness.correlations()

    assert found is not None
    assert found[1] > 0.3
    assert max(found[0], found[2]) < 0.05


def test_features_without_a_value_say_nothing(layout: Layout) -> None:
    """An absent column and one of missing values: no correlation, no NaN, no warning."""
    sizes = np.full(40, 10)
    none = np.full(400, np.nan)
    table = Table(400, None, columns=(none, np.full(400, None, object)))
    counted = layout.inputs.count_calls(table, (0, 1, -1), sizes)
    likeness = Likeness(layout.slots)
    likeness.fold(whole(sizes, [counted]))

    assert (counted == 0).all()
    assert likeness.correlations() == pytest.approx([np.nan] * 3, nan_ok=True)


def test_a_constant_is_not_alike(layout: Layout) -> None:
    """All rows agree by chance: what does not vary depends on nothing."""
    sizes = np.full(40, 10)
    table = Table(400, None, columns=(np.zeros(400), np.full(400, "cd", object), np.full(400, 99)))
    likeness = Likeness(layout.slots)
    likeness.fold(whole(sizes, [layout.inputs.count_calls(table, (0, 1, 2), sizes)]))

    assert likeness.correlations() == pytest.approx([0, 0, 0])


def test_a_pane_holds_calls_and_their_pairs_before_all_else() -> None:
    """Ordered pairs of different rows of one call: a call of one row has none."""
    one = count_calls(np.zeros((4, 1), np.uint8), np.array([True]), np.ones(4, np.intp))
    found = whole(np.array([1, 2, 3]), [one, one])

    assert [4] * 20 == one.ravel().tolist()
    assert [3, 2 + 6, *[4] * 40] == found.tolist()
