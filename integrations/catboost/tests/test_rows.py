"""What a CatBoost model takes and answers becomes rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor, FeaturesData, Pool, __version__
from packaging.version import Version
from scipy import sparse
from tidegauge.batch import Table
from tidegauge_testkit.recording import Recording

needs_polars = pytest.mark.skipif(
    Version(__version__) < Version("1.2.9"), reason="this version of CatBoost takes no polars"
)


def only(recording: Recording) -> tuple[Table | None, Table | None]:
    """Return the features and outputs of all that was recorded, which is one batch."""
    (batch,) = recording.batches()
    assert {} == recording.faults()
    return batch.features, batch.outputs


def features(recording: Recording) -> Table:
    """Return the features, which could be read."""
    table, _ = only(recording)
    assert table is not None
    return table


# -- features ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        np.asfortranarray,
        lambda rows: rows.astype(np.float32).astype(float),
        lambda rows: rows.tolist(),
        lambda rows: list(map(tuple, rows.tolist())),
        pd.DataFrame,
        pytest.param(pl.DataFrame, marks=needs_polars),
        sparse.csr_matrix,
    ],
    ids=["array", "fortran", "float32", "lists", "tuples", "pandas", "polars", "sparse"],
)
def test_tables_are_read(recording: Recording, binary: Any, rows: Any, make: Any) -> None:
    """Each kind of table that the library takes."""
    binary.predict(make(rows))
    table = features(recording)
    assert table.matrix is not None
    np.testing.assert_allclose(table.matrix, rows, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda row: row,
        lambda row: row.tolist(),
        lambda row: pd.Series(row, index=list("abcd")),
        pytest.param(pl.Series, marks=needs_polars),
    ],
    ids=["array", "list", "pandas", "polars"],
)
@pytest.mark.parametrize("name", ["predict", "predict_proba"])
def test_one_dimension_is_one_row(
    recording: Recording, several: Any, rows: Any, make: Any, name: str
) -> None:
    """CatBoost takes a plain list of features as one object."""
    getattr(several, name)(make(rows[0]))
    table, answers = only(recording)
    assert table is not None
    assert table.matrix is not None
    np.testing.assert_allclose(table.matrix, rows[:1])
    assert answers is not None
    assert answers.rows == 1
    assert recording.rows().seen == 1


def test_names_are_the_models(recording: Recording, rows: Any, small: dict[str, Any]) -> None:
    """Features go by the names that the model was fitted with; without names, by position."""
    frame = pd.DataFrame(rows, columns=list("abcd"))
    model = CatBoostRegressor(**small).fit(frame, rows[:, 0])
    model.predict(frame)
    model.predict(rows)
    found = [batch.features for batch in recording.batches() if batch.features]  # joined or not
    assert {("a", "b", "c", "d")} == {table.names for table in found}
    assert 2 * len(rows) == sum(table.rows for table in found)


def test_positions_are_no_names(recording: Recording, binary: Any, rows: Any) -> None:
    """The library calls a feature without a name by its position."""
    assert binary.feature_names_ == ["0", "1", "2", "3"]
    binary.predict(rows)
    assert features(recording).names is None


def test_categories_are_read_from_tables(recording: Recording, small: dict[str, Any]) -> None:
    """Mixed frames keep their categories."""
    frame = pd.DataFrame({"a": [0.5, 1.5] * 20, "b": ["x", "y"] * 20})
    model = CatBoostClassifier(cat_features=["b"], **small).fit(frame, [0, 1] * 20)
    model.predict(frame)
    table = features(recording)
    assert table.columns is not None
    assert {"x", "y"} == set(table.columns[1])


@pytest.mark.parametrize("count", [1, 60, 5000])
def test_numbers_of_a_pool_are_read(
    recording: Recording, binary: Any, rows: Any, count: int
) -> None:
    """A Pool's rows are chosen before they are copied, 256 at most."""
    many = np.resize(rows, (count, 4))
    binary.predict(Pool(many))
    table, answers = only(recording)
    assert table is not None
    assert answers is not None
    assert recording.rows().seen == count
    assert table.rows == answers.rows == recording.rows().used <= 256
    assert table.matrix is not None
    known = {tuple(row) for row in rows.astype(np.float32).tolist()}
    assert {tuple(row) for row in table.matrix.tolist()} <= known


def test_rows_and_answers_of_a_pool_belong_together(recording: Recording, rows: Any) -> None:
    """Those of one row are found in one place."""
    many = np.arange(3000.0).reshape(-1, 1)
    model = CatBoostRegressor(
        iterations=1, depth=1, learning_rate=1, verbose=False, allow_writing_files=False
    ).fit(many, (many[:, 0] > 1500).astype(float))
    model.predict(Pool(many))
    table, answers = only(recording)
    assert table is not None
    assert answers is not None
    assert table.matrix is not None
    assert answers.matrix is not None
    expected = model.predict(table.matrix)
    np.testing.assert_allclose(answers.matrix[:, 0], expected)


def pool_of_categories() -> Pool:
    """Return a Pool whose rows the library does not give back."""
    frame = pd.DataFrame({"a": [0.5, 1.5] * 20, "b": ["x", "y"] * 20})
    return Pool(frame, [0, 1] * 20, cat_features=["b"])


def quantized() -> Pool:
    """Return a Pool of bins."""
    pool = Pool([[float(i), -float(i)] for i in range(40)], [0, 1] * 20)
    pool.quantize()
    return pool


@pytest.mark.parametrize("make", [pool_of_categories, quantized])
def test_a_pool_that_keeps_its_rows_is_counted(
    recording: Recording, make: Any, small: dict[str, Any]
) -> None:
    """Rows and answers count; there are no features to read, and that is no fault."""
    pool = make()
    CatBoostClassifier(**small).fit(pool).predict_proba(pool)
    table, answers = only(recording)
    assert table is None
    assert answers is not None
    assert (recording.rows().seen, answers.rows) == (40, 40)


def test_a_wide_pool_is_counted(recording: Recording, small: dict[str, Any]) -> None:
    """To read thousands of cells one by one would take longer than the prediction."""
    wide = np.random.default_rng(0).normal(size=(40, 700))
    model = CatBoostRegressor(**small).fit(wide, wide[:, 0])
    model.predict(Pool(wide))
    assert features_or_none(recording) is None
    assert recording.rows().seen == 40


def features_or_none(recording: Recording) -> Table | None:
    """Return the features."""
    return only(recording)[0]


@pytest.mark.parametrize("named", [False, True])
def test_features_data_is_read(recording: Recording, small: dict[str, Any], named: bool) -> None:
    """The library's own table of numbers and categories."""
    numbers = np.arange(80.0, dtype=np.float32).reshape(40, 2)
    categories = np.array([[b"x"], [b"y"]] * 20, dtype=object)
    names = {"num_feature_names": ["n", "m"], "cat_feature_names": ["c"]} if named else {}
    data = FeaturesData(num_feature_data=numbers, cat_feature_data=categories, **names)
    model = CatBoostClassifier(**small).fit(Pool(data, [0, 1] * 20))
    model.predict(data)
    table = features(recording)
    assert table.names == (("n", "m", "c") if named else None)
    assert table.columns is not None
    assert ["x", "y"] * 20 == list(table.columns[2])
    assert numbers[:, 0].tolist() == table.columns[0].tolist()


def test_no_rows_are_no_rows(recording: Recording, binary: Any, rows: Any) -> None:
    """An empty batch is a call without rows."""
    binary.predict(rows[:0])
    assert (recording.calls(), recording.rows().seen) == (1, 0)
    assert {} == recording.faults()


def test_missing_values_are_missing(recording: Recording, binary: Any, rows: Any) -> None:
    """NaN goes through."""
    holes = rows.copy()
    holes[::2, 1] = np.nan
    binary.predict(holes)
    table = features(recording)
    assert table.matrix is not None
    assert np.isnan(table.matrix[:, 1]).sum() == 30


def test_a_caller_may_use_its_array_again(recording: Recording, binary: Any, rows: Any) -> None:
    """What is recorded is what was passed."""
    mine = rows.copy()
    binary.predict(mine)
    mine[:] = 0
    table = features(recording)
    assert table.matrix is not None
    np.testing.assert_array_equal(table.matrix, rows)


# -- outputs -----------------------------------------------------------------------------------


def test_labels_come_flat(recording: Recording, several: Any, rows: Any) -> None:
    """Those of more than two classes stand in a column of their own."""
    assert several.predict(rows).shape == (60, 1)
    _, answers = only(recording)
    assert answers is not None
    assert answers.columns is not None
    assert {"low", "mid", "high"} == set(answers.columns[0])
    assert {} == recording.values()  # a label is no value


def test_a_single_label_is_one(recording: Recording, small: dict[str, Any], rows: Any) -> None:
    """Text, not its characters."""
    labels = np.where(rows[:, 0] > 0, "yes", "no")
    CatBoostClassifier(**small).fit(rows, labels).predict(rows[0].tolist())
    _, answers = only(recording)
    assert answers is not None
    assert answers.columns is not None
    assert answers.columns[0].tolist() in (["yes"], ["no"])


def test_probabilities_go_by_their_classes(recording: Recording, several: Any, rows: Any) -> None:
    """One column a class."""
    several.predict_proba(rows)
    _, answers = only(recording)
    assert answers is not None
    assert ("high", "low", "mid") == answers.names
    assert {("CatBoostClassifier", name): 60 for name in answers.names} == recording.values()


def test_several_targets_are_several_outputs(
    recording: Recording, rows: Any, small: dict[str, Any]
) -> None:
    """A regressor of two targets has two values."""
    model = CatBoostRegressor(loss_function="MultiRMSE", **small).fit(rows, rows[:, :2])
    model.predict(rows)
    assert {("CatBoostRegressor", "0"): 60, ("CatBoostRegressor", "1"): 60} == recording.values()
