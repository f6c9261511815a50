"""All numeric features together."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from tidegauge_drift import CompareSettings, build, compare
from tidegauge_drift.report.multivariate import auc, mmd, normal_scores, ranks, together

BOTH = CompareSettings(multivariate=True)


def _rows(rng: np.random.Generator, n: int, correlation: float = 0.0) -> pd.DataFrame:
    a, b = rng.normal(size=(2, n))
    return pd.DataFrame(
        {"a": a, "b": correlation * a + (1 - correlation**2) ** 0.5 * b, "c": rng.normal(size=n)}
    )


def test_a_correlation_that_changes_is_seen_by_both() -> None:
    """No single feature shows it."""
    rng = np.random.default_rng(0)
    report = compare(_rows(rng, 4_000), _rows(rng, 4_000, 0.8), settings=BOTH)

    assert not report.drifted
    found = report.multivariate
    assert found["mmd"].p_value is not None
    assert found["mmd"].p_value <= 0.01
    assert found["classifier_auc"].value is not None
    assert found["classifier_auc"].value > 0.6
    assert found["classifier_auc"].p_value == pytest.approx(0, abs=1e-6)


def test_clean_rows_are_rarely_called_different() -> None:
    """Both p-values are what they say: 5 % of clean pairs are at most .05, with room for chance."""
    rng = np.random.default_rng(1)
    found = [mmd(rng.normal(size=(100, 3)), rng.normal(size=(100, 3)), rng) for _ in range(40)]
    found += [auc(rng.random(200), np.repeat([0, 1], 100)) for _ in range(400)]

    for some in (found[:40], found[40:]):
        p_values = np.array([statistic.p_value for statistic in some], float)
        assert stats.binom.cdf((p_values <= 0.05).sum() - 1, len(some), 0.05) < 0.999
        assert p_values.mean() == pytest.approx(0.5, abs=0.2)


def test_the_discrepancy_is_the_one_that_is_defined() -> None:
    """Unbiased, over all pairs, one by one."""
    rng = np.random.default_rng(2)
    p, q = rng.normal(size=(20, 2)), rng.normal(1, 1, size=(30, 2))
    scores = normal_scores(np.concatenate((p, q)))
    a, b = scores[:20], scores[20:]
    width = np.median([((x - y) ** 2).sum() for x in scores for y in scores])

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-((x - y) ** 2).sum() / width))

    within = sum(kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j) / 380
    other = sum(kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j) / 870
    across = sum(kernel(x, y) for x in a for y in b) / 600
    assert mmd(p, q, rng).value == pytest.approx((within + other - 2 * across) ** 0.5)


def test_ranks_and_areas_are_those_of_scipy_and_sklearn() -> None:
    """With ties."""
    rng = np.random.default_rng(3)
    scores, side = rng.integers(0, 9, 300) / 9, rng.integers(0, 2, 300)
    found = auc(scores, side)
    expected = stats.mannwhitneyu(
        scores[side == 1], scores[side == 0], alternative="greater", method="asymptotic",
        use_continuity=False,
    )  # fmt: skip

    assert ranks(scores) == pytest.approx(stats.rankdata(scores))
    assert found.value == pytest.approx(roc_auc_score(side, scores))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_the_same_rows_give_the_same_numbers() -> None:
    """The sample and the permutations have a seed of their own."""
    rng = np.random.default_rng(4)
    before, after = _rows(rng, 300), _rows(rng, 300)
    once, again = (compare(before, after, settings=BOTH).multivariate for _ in range(2))

    assert once == again
    assert compare(before, after).multivariate == {}


def test_what_cannot_be_compared_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few features or rows, a profile, constants, no scikit-learn."""
    rng = np.random.default_rng(5)
    frame = _rows(rng, 100)

    def reasons(*columns: np.ndarray) -> set[str]:
        return {statistic.reason for statistic in together(columns, columns).values()}

    few = {"fewer than two numeric features whose rows are at hand"}
    assert few == reasons(rng.normal(size=100))
    assert few == {
        s.reason for s in compare(build(frame), frame, settings=BOTH).multivariate.values()
    }
    assert {"a side has fewer than 30 rows"} == reasons(*rng.normal(size=(2, 10)))
    assert together([np.ones(50)] * 2, [np.ones(50)] * 2)["mmd"].reason == (
        "the features are constant"
    )
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    found = compare(frame, frame, settings=BOTH).multivariate
    assert found["classifier_auc"].reason.startswith("scikit-learn is not installed: pip install")
    assert found["mmd"].value is not None


def test_hard_values_do_no_harm() -> None:
    """Infinite, missing, huge, and a column without any value."""
    columns = [
        np.array([np.inf, 1e308, -1e308, np.nan, 0.0] * 20),
        np.full(100, np.nan),
        np.arange(100.0),
    ]
    for statistic in together(columns, columns[::-1]).values():
        assert (statistic.value is None) == bool(statistic.reason)
