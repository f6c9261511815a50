"""All numeric features together: differences that no single feature shows, such as a correlation.

Both are measured on a bounded number of rows and features, so that time and memory are bounded too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tidegauge import guard

from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.report.result import Statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

# The kernel of both sides' rows takes 8 bytes a pair: 32 MB.
_KERNEL_ROWS = 1_000
_PERMUTATIONS = 500
_CLASSIFIER_ROWS = 10_000
_FEATURES = 100
_SEED = 20_260_101  # the same rows give the same numbers


def together(reference: Sequence[Floats], current: Sequence[Floats]) -> dict[str, Statistic]:
    """Compare two samples of several features.

    Parameters
    ----------
    reference, current : sequences of ndarray, shapes (m,) and (n,)
        The same features of both sides, NaN where missing; the first hundred are compared.

    Returns
    -------
    dict of str to Statistic
        ``mmd``: the maximum mean discrepancy of a Gaussian kernel on normal scores, with the median
        distance as its width, on up to 1,000 rows of each side; its p-value is by permutation.
        ``classifier_auc``: how well a random forest tells the sides apart, fitted on one half
        of up to 10,000 rows of each and measured on the other; .5 is not at all. Its p-value is
        Mann and Whitney's.

    Notes
    -----
    At most 100 MB and some seconds. p-values are for independent rows. Oracle: the definition,
    pair by pair, and ``sklearn.metrics.roc_auc_score`` (tests/test_multivariate.py).

    References
    ----------
    Gretton, A. et al. (2012). A kernel two-sample test. Journal of Machine Learning Research 13.
    Lopez-Paz, D. and Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR.
    """
    reason = ""
    if len(reference) < 2:  # noqa: PLR2004 - one feature alone has its own tests
        reason = "fewer than two numeric features whose rows are at hand"
    elif min(reference[0].size, current[0].size) < MINIMUM_ROWS:
        reason = f"a side has fewer than {MINIMUM_ROWS} rows"
    if reason:
        return dict.fromkeys(("mmd", "classifier_auc"), Statistic(None, reason))
    rng = np.random.default_rng(_SEED)
    p, q = _sample(reference, rng), _sample(current, rng)
    return {
        "mmd": _known(lambda: mmd(p[:_KERNEL_ROWS], q[:_KERNEL_ROWS], rng)),
        "classifier_auc": _known(lambda: classifier_auc(p, q, rng)),
    }


def _sample(columns: Sequence[Floats], rng: np.random.Generator) -> Floats:
    """Return some rows, in any order, as a matrix; infinite values are missing ones."""
    rows = rng.permutation(columns[0].size)[:_CLASSIFIER_ROWS]
    found = np.column_stack([column[rows] for column in columns[:_FEATURES]])
    return np.where(np.isfinite(found), found, np.nan)


def _known(compute: Callable[[], Statistic]) -> Statistic:
    try:
        return compute()
    except Exception as error:  # what nobody asked a verdict of must not take the report with it
        guard.fault("drift.report", error)
        return Statistic(None, f"could not be computed ({type(error).__name__})")


def mmd(p: Floats, q: Floats, rng: np.random.Generator) -> Statistic:
    """Return the discrepancy of two samples (rows, features): 0 where it is below the noise."""
    scores = normal_scores(np.concatenate((p, q)))
    squares = (scores**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * scores @ scores.T, 0)
    width = float(np.median(distances))
    if width == 0:
        return Statistic(None, "the features are constant")
    kernel = np.exp(-distances / width)
    np.fill_diagonal(kernel, 0)
    m, n = len(p), len(q)
    sides = np.zeros((m + n, _PERMUTATIONS + 1))
    sides[:m, 0] = 1
    for column in range(1, _PERMUTATIONS + 1):
        sides[rng.permutation(m + n)[:m], column] = 1
    found = _discrepancies(kernel, sides, m, n)
    p_value = float((found >= found[0] - 1e-12).mean())
    return Statistic(max(0.0, float(found[0])) ** 0.5, "", p_value)


def _discrepancies(kernel: Floats, sides: Floats, m: int, n: int) -> Floats:
    """Return the unbiased squared discrepancy for each assignment of rows to the first side."""
    products = kernel @ sides
    within = (sides * products).sum(axis=0)
    across = ((1 - sides) * products).sum(axis=0)
    other = kernel.sum() - within - 2 * across
    found: Floats = within / (m * (m - 1)) + other / (n * (n - 1)) - 2 * across / (m * n)
    return found


def normal_scores(values: Floats) -> Floats:
    """Return each column's ranks as quantiles of the normal distribution, 0 where missing."""
    from scipy import special  # noqa: PLC0415 - slow to import

    scores = np.zeros(values.shape)
    for j, column in enumerate(values.T):
        known = ~np.isnan(column)
        if known.any():
            scores[known, j] = special.ndtri((ranks(column[known]) - 0.5) / known.sum())
    return scores


def ranks(values: Floats) -> Floats:
    """Return ranks from 1 on; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = last - (counts - 1) / 2
    return mean[place]


def classifier_auc(p: Floats, q: Floats, rng: np.random.Generator) -> Statistic:
    """Return how well trees tell rows of one sample from rows of the other that they never saw."""
    try:
        from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - an extra
    except ImportError:
        return Statistic(
            None, "scikit-learn is not installed: pip install 'tidegauge-drift[multivariate]'"
        )
    rows = np.concatenate((p, q))
    side = np.repeat((0, 1), (len(p), len(q)))
    fitted = np.concatenate([_halves(len(p), rng), _halves(len(q), rng)])
    trees = RandomForestClassifier(
        n_estimators=50, min_samples_leaf=10, max_samples=0.5, random_state=0, n_jobs=1
    )
    with np.errstate(all="ignore"):
        trees.fit(rows[fitted], side[fitted])
        scores = trees.predict_proba(rows[~fitted])[:, 1]
    return auc(scores, side[~fitted])


def auc(scores: Floats, side: NDArray[np.int64]) -> Statistic:
    """Return the area under the curve, and Mann and Whitney's p-value of more than a half."""
    from scipy import special  # noqa: PLC0415 - slow to import

    ranked = ranks(scores)
    n, m = int(side.sum()), int(side.size - side.sum())
    area = (float(ranked[side == 1].sum()) - n * (n + 1) / 2) / (n * m)
    _, counts = np.unique(scores, return_counts=True)
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1))
    variance = (total + 1 - ties) / (12 * n * m)
    p_value = float(special.ndtr(-(area - 0.5) / variance**0.5)) if variance > 0 else 1.0
    return Statistic(area, "", p_value)


def _halves(rows: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    chosen = np.zeros(rows, np.bool_)
    chosen[rng.permutation(rows)[: rows // 2]] = True
    return chosen
