"""Estimators of XGBoost: linear ones, and rows of sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import tidegauge
import xgboost
from tidegauge_testkit.recording import Recording

SMALL = {"n_estimators": 2, "max_depth": 2, "n_jobs": 1}
# It warns of a depth, which trees have.
LINEAR = {"n_estimators": 2, "n_jobs": 1, "booster": "gblinear"}


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_a_linear_booster_goes_by_a_matrix(together: Recording, rows: Any, labels: Any) -> None:
    """Where ``inplace_predict`` is not possible, the matrix that is made inside is none of ours."""
    model = xgboost.XGBClassifier(**LINEAR).fit(rows, labels)
    model.predict(rows)
    model.predict_proba(scipy.sparse.coo_matrix(rows))
    assert together.calls() == 2
    assert (together.rows().used, together.faults()) == (120, {})


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_what_a_sparse_matrix_leaves_out_is_missing(together: Recording, form: str) -> None:
    """Trees that know 0 from a missing value answer the rows that are recorded as they were."""
    known = np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]] * 20)
    model = xgboost.XGBRegressor(**SMALL).fit(known, np.array([0.0, 10.0, 100.0] * 20))
    # A 0 is left out of the first row; the second one holds it.
    sparse = scipy.sparse.csr_matrix(([1.0, 0.0, 1.0], [1, 0, 1], [0, 1, 3]), shape=(2, 2))
    answers = model.predict(sparse.asformat(form))
    (batch,) = together.batches()
    assert batch.features is not None
    assert batch.features.matrix is not None
    with tidegauge.suppress():
        again, zeros = model.predict(batch.features.matrix), model.predict(sparse.toarray())
    assert answers.tolist() == again.tolist() != zeros.tolist()
    assert together.faults() == {}
