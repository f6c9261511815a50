"""Correlations of normal scores: exact sums, and a test whose size is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tidegauge_drift import ReferenceProfile, build, load, merge, save, store
from tidegauge_drift.correlation import Learner, correlations, fisher_z, p_values, two_of
from tidegauge_drift.normal_scores import STEPS, ScoreCounter, scores
from tidegauge_drift.profile import NumericFeature, ProfileError
from tidegauge_drift.store import checksum

Matrix = NDArray[np.float64]


def _numeric(profile: ReferenceProfile) -> list[NumericFeature]:
    return [f for f in profile.features if isinstance(f, NumericFeature)]


def _mixed(rng: np.random.Generator, rows: int) -> Matrix:
    """Return features of many shapes, some of which depend on each other."""
    shared = rng.normal(size=rows)
    columns = [
        shared + rng.normal(size=rows),
        np.exp(2 * shared),
        np.where(rng.random(rows) < 0.6, 0, shared),
        rng.standard_t(2, rows) - shared,
        np.full(rows, 7.0),
    ]
    return np.stack(columns, axis=1)


def test_scores_are_the_means_of_the_normal_distribution_in_each_cell() -> None:
    """By numerical integration of its quantiles; missing values have none."""
    counts = np.array([0, 0, 10, 20, 30, 40, 0, 0, 5, 1])
    ends = np.cumsum(counts[2:6]) / 100
    starts = np.concatenate(([0], ends[:-1]))
    grid = (np.arange(200_000) + 0.5) / 200_000
    expected = [
        stats.norm.ppf(grid[(grid > low) & (grid < high)]).mean()
        for low, high in zip(starts, ends, strict=True)
    ]
    found = scores(counts) / STEPS

    assert found[2:6] == pytest.approx(expected, abs=1e-3)
    assert found[[0, 1, 6, 7, 8, 9]].tolist() == [*found[[2, 2, 5, 5]], 0, 0]
    assert abs((scores(counts)[:8] * counts[:8]).sum()) <= 100  # half a step a row at most


@pytest.mark.parametrize("counts", [[0, 0, 9, 0, 0, 0, 0], [0, 0, 0, 0, 0, 4, 0]])
def test_a_constant_has_no_scores(counts: list[int]) -> None:
    """Nor has what is always missing: it correlates with nothing."""
    assert not scores(np.array(counts)).any()


def test_correlations_are_numpys_of_the_scores() -> None:
    """To 1e-12; NaN for a constant."""
    rng = np.random.default_rng(1)
    counter = ScoreCounter(_numeric(build(_mixed(rng, 2000))))
    rows = _mixed(rng, 700)
    found, n = correlations(5, *counter.count(rows))
    with np.errstate(all="ignore"):
        expected = np.asarray(np.corrcoef(counter.scores(rows)[0].T))[two_of(5)]

    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)
    assert (np.isnan(found).sum(), n.tolist()) == (4, [700.0] * 10)


def test_missing_values_are_left_out_of_their_pairs() -> None:
    """Pairs have the rows with both values, as pandas counts them."""
    rng = np.random.default_rng(2)
    counter = ScoreCounter(_numeric(build(_mixed(rng, 2000))))
    rows = _mixed(rng, 20_000)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    found, n = correlations(5, *counter.count(rows))
    known = np.where(np.isnan(rows), np.nan, counter.scores(rows)[0])
    expected = pd.DataFrame(known).corr().to_numpy()[two_of(5)]
    both = (~np.isnan(rows)).astype(int)

    assert n.tolist() == (both.T @ both)[two_of(5)].tolist()
    assert found == pytest.approx(expected, abs=0.01, nan_ok=True)


@given(
    st.lists(
        st.tuples(*[st.one_of(st.floats(), st.sampled_from([0.0, 1.0, np.nan]))] * 3),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(1, 59), max_size=3),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100, deadline=None)
def test_sums_are_the_same_in_any_order_and_any_parts(
    rows: list[tuple[float, float, float]], cuts: list[int], random: Random
) -> None:
    """Bit for bit, whatever the values are."""
    given_rows = np.random.default_rng(3).normal(size=(200, 3))
    counter = ScoreCounter(_numeric(build(given_rows)))
    expected = counter.count(np.array(rows))
    random.shuffle(rows)
    parts = [counter.count(part) for part in np.split(np.array(rows), sorted(set(cuts)))]

    for i in range(2):
        total = np.sum([part[i].astype(np.int64) for part in parts], axis=0)
        assert total.tolist() == expected[i].tolist()


def test_a_feature_without_a_column_is_in_no_pair() -> None:
    """Whatever stands in its place."""
    rng = np.random.default_rng(4)
    counter = ScoreCounter(_numeric(build(rng.normal(size=(500, 3)))))
    r, n = correlations(3, *counter.count(rng.normal(size=(100, 3)), [1]))

    assert (n.tolist(), np.isnan(r).tolist()) == ([0.0, 100.0, 0.0], [True, False, True])


def test_the_test_is_fishers() -> None:
    """For normal rows: the textbook's z and the normal distribution's p-value."""
    z = np.arctanh(0.5) - np.arctanh(0.3)
    error = np.sqrt(1 / 97 + 1 / 197)
    found = p_values(np.array([z]), np.ones(1), np.array([100.0]), np.array([200.0]))

    assert found[0] == pytest.approx(2 * stats.norm.sf(z / error), rel=1e-12)
    assert fisher_z([1.0, -1.0]) == pytest.approx([np.arctanh(0.999), -np.arctanh(0.999)])


def _student(rng: np.random.Generator, rows: int) -> Matrix:
    shared = rng.normal(size=(rows, 1)) + rng.normal(size=(rows, 6))
    return shared / np.sqrt(rng.chisquare(2, (rows, 1)) / 2)


def test_rows_that_are_far_out_together_are_flagged_as_rarely_as_others() -> None:
    """With the spread of the reference's rows; Fisher's own variance flags one in seven."""
    rng = np.random.default_rng(5)
    both: list[Matrix] = []
    for _ in range(4):
        profile = build(_student(rng, 5000), correlation=True)
        known = profile.correlation
        assert known is not None
        counter = ScoreCounter(_numeric(profile))
        before, m = correlations(6, known.sums, known.rows)
        for _ in range(100):
            now, n = correlations(6, *counter.count(_student(rng, 300)))
            change = fisher_z(now) - fisher_z(before)
            spreads = np.stack((known.spreads, np.ones_like(known.spreads)))
            both.append(np.stack([p_values(change, spread, n, m) for spread in spreads]))
    p = np.array(both)

    assert (p[:, 0] < 0.01).mean() < 0.02
    assert (p[:, 1] < 0.01).mean() > 0.05


def test_normal_rows_have_a_spread_of_one() -> None:
    """Whatever their correlation; columns that hold the same count as normal."""
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(20_000, 3))
    rows[:, 1] += 2 * rows[:, 0]
    rows[:, 2] = rows[:, 0]
    known = build(rows, correlation=True).correlation

    assert known is not None
    assert known.spreads == pytest.approx(1.0, abs=0.1)


def test_a_reference_is_the_same_in_any_order_and_any_parts(tmp_path: Path) -> None:
    """Bit for bit, from memory and from files."""
    table = pd.DataFrame(_mixed(np.random.default_rng(7), 3000), columns=list("abcde"))
    table.iloc[::7, 0] = np.nan
    table["city"] = ["x", "y", "z"] * 1000
    table = table[["city", *"abcde"]]
    profiles = [build(table, correlation=True), build(table[::-1], correlation=True)]
    found = [p.correlation for p in profiles if p.correlation is not None]

    assert [each.names for each in found] == [tuple("abcd")] * 2
    for name in ("sums", "rows", "spreads"):
        one, other = (getattr(each, name).tobytes() for each in found)
        assert one == other, name
    learner = Learner(_numeric(profiles[0]))
    for part in np.array_split(table[list("abcd")].to_numpy(), 5):
        learner.add(part)
    assert learner.learnt().sums.tolist() == found[0].sums.tolist()
    assert learner.learnt().spreads.tolist() == found[0].spreads.tolist()


def test_the_first_fifty_columns_that_vary_are_learnt() -> None:
    """In the order of the table, so that nothing depends on what the rows hold."""
    rows = np.random.default_rng(8).normal(size=(200, 53))
    rows[:, 3] = 1.0
    known = build(rows, correlation=True).correlation

    assert known is not None
    assert known.names == tuple(f"x{i}" for i in range(51) if i != 3)


@pytest.mark.parametrize("constants", [2, 1])
def test_fewer_than_two_columns_that_vary_have_no_correlation(constants: int) -> None:
    """Then there is none in the profile."""
    rows = np.random.default_rng(9).normal(size=(100, 2))
    rows[:, :constants] = 1.0

    assert build(rows, correlation=True).correlation is None


def test_it_is_stored_and_read(tmp_path: Path) -> None:
    """As it was, and named by the checksum; without it a file is as it ever was."""
    rows = np.random.default_rng(10).normal(size=(300, 4))
    path = tmp_path / "a.reference.json"
    profile, without = (build(rows, built="now", correlation=asked) for asked in (True, False))
    save(profile, path)
    found = load(path).correlation

    assert profile.correlation is not None
    assert found is not None
    assert found.names == profile.correlation.names
    assert found.sums.tolist() == profile.correlation.sums.tolist()
    assert found.rows.tolist() == profile.correlation.rows.tolist()
    assert found.spreads.tolist() == profile.correlation.spreads.tolist()
    assert checksum(load(path)) == checksum(profile) != checksum(without)
    save(without, path)
    assert "correlation" not in json.loads(path.read_text(encoding="utf-8"))["profile"]


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["x0", "x1", "nobody"]},
        {"names": ["x0", "x1", "x1"]},
        {"names": ["x0", "x1"]},
        {"sums": [1.5] * 9},
        {"sums": [1] * 8},
        {"rows": ""},
        {"spreads": [1.0] * 2},
        {"spreads": ["1"] * 3},
    ],
)
def test_correlations_of_no_profile_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Of features that there are not, or of other sizes."""
    path = tmp_path / "a.reference.json"
    save(build(np.random.default_rng(11).normal(size=(100, 3)), correlation=True), path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["profile"]["correlation"] |= change
    document["checksum"] = store._checksum(document["format"], document["profile"])
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(ProfileError, match="fields of no profile"):
        load(path)


def test_a_merged_reference_has_none() -> None:
    """Its cells are others, and so are their scores."""
    rng = np.random.default_rng(12)
    profiles = [build(rng.normal(size=(300, 2)), correlation=True) for _ in range(2)]

    assert merge(profiles).correlation is None
