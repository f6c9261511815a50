"""What is read of inputs and outputs, and what a refused input counts as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from tidegauge.batch import Batch
from tidegauge.info import Task
from tidegauge.runtime import shared
from tidegauge_testkit.recording import Recording

from .conftest import Registry

AGES, INCOMES = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
TABLE = list(zip(AGES, INCOMES, strict=True))


class Answers:
    """A model that answers what it was made with, whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, data: Any, params: Any = None) -> Any:
        """Answer; with the parameter, where one is given."""
        return params["answer"] if params else self.answer


def model(registry: Registry, answer: Any = (0.0, 1.0, 2.0), signature: Any = None) -> Any:
    """Return a pyfunc model of the class above."""
    meta = registry.mlflow.models.Model(signature=signature)
    return registry.mlflow.pyfunc.PyFuncModel(meta, Answers(answer))


def only(recording: Recording) -> Batch:
    """Return the one batch that was recorded, without a fault of ours."""
    assert recording.faults() == {}
    (batch,) = recording.batches()
    return batch


def table(batch: Batch) -> tuple[tuple[str, ...] | None, list[tuple[Any, ...]]]:
    """Return the names and the rows of a batch's features."""
    features = batch.features
    assert features is not None
    if features.matrix is not None:
        return features.names, list(map(tuple, features.matrix.tolist()))
    columns = [column.tolist() for column in features.columns or ()]
    return features.names, list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"age": AGES, "income": INCOMES}),
        lambda: {"age": AGES, "income": INCOMES},
        lambda: {"age": np.array(AGES), "income": np.array(INCOMES)},
        lambda: [{"age": age, "income": income} for age, income in TABLE],
        lambda: np.array(TABLE),
        lambda: [list(row) for row in TABLE],
        lambda: scipy.sparse.csr_matrix(np.array(TABLE)),
    ],
    ids=["frame", "dict of lists", "dict of arrays", "dicts", "array", "lists", "sparse"],
)
def test_the_rows_are_read_with_their_names(
    recording: Recording, registry: Registry, make: Callable[[], Any]
) -> None:
    """Whichever way the caller writes them."""
    data = make()
    # MLflow refuses what has no names where the signature has some.
    named = not scipy.sparse.issparse(data) and type(data) is not np.ndarray
    named = named and not (type(data) is list and type(data[0]) is list)
    signature = registry.signature if named else None
    model(registry, signature=signature).predict(data)
    names = None if signature is None else ("age", "income")
    assert table(only(recording)) == (names, TABLE)
    assert recording.rows().seen == 3


def test_a_dict_of_values_is_one_row(recording: Recording, registry: Registry) -> None:
    """So it is for MLflow."""
    model(registry, [1.0]).predict({"age": 1.0, "plan": "gold"})
    assert table(only(recording)) == (("age", "plan"), [(1.0, "gold")])


def test_a_table_of_many_rows_is_sampled(recording: Recording, registry: Registry) -> None:
    """At most 256 rows of a call are read, of all columns the same."""
    many = np.arange(100_000.0)
    model(registry, many).predict({"age": many, "income": -many})
    batch = only(recording)
    _, rows = table(batch)
    assert recording.rows().seen == 100_000
    assert 0 < len(rows) <= 256
    assert all(age == -income for age, income in rows)
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert batch.outputs.matrix[:, 0].tolist() == [age for age, _ in rows]


PRIVATE = "my card is 4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (PRIVATE, 1),
        ([PRIVATE, PRIVATE], 2),
        ((PRIVATE,), 1),
        ({"messages": [{"role": "user", "content": PRIVATE}]}, 1),
        ([{"messages": [{"role": "user", "content": PRIVATE}]}], 1),
        ({"inputs": [PRIVATE, PRIVATE]}, 1),
        ({"inputs": np.array([[PRIVATE]])}, 1),
        ({"a": [1.0, 2.0], "b": [1.0]}, 1),
        ({"image": np.zeros((4, 8, 8))}, 4),
        ({"a": np.float64(1.0), "b": np.array(2.0)}, 1),
        (np.zeros((2, 8, 8)), 2),
        ([], 0),
        ({}, 1),
        (None, 1),
        (7, 1),
        (pd.DataFrame({"age": []}), 0),
    ],
)
def test_what_is_no_table_is_counted(
    recording: Recording, registry: Registry, data: Any, count: int
) -> None:
    """Texts, messages, images, and what cannot be read: calls and rows count, no text is kept."""
    model(registry, PRIVATE).predict(data)
    assert recording.calls() == 1
    assert recording.rows().seen == count
    assert recording.faults() == {}
    assert PRIVATE not in repr([[each.features, each.outputs] for each in recording.batches()])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (np.array([0.1, 0.2, 0.3]), [(0.1,), (0.2,), (0.3,)]),
        ([0.1, 0.2, 0.3], [(0.1,), (0.2,), (0.3,)]),
        (pd.Series([0.1, 0.2, 0.3]), [(0.1,), (0.2,), (0.3,)]),
        (pd.DataFrame({"p": [0.1, 0.2, 0.3], "q": AGES}), [(0.1, 1.0), (0.2, 2.0), (0.3, 3.0)]),
        ({"p": np.array([0.1, 0.2, 0.3])}, [(0.1,), (0.2,), (0.3,)]),
        ([{"p": 0.1}, {"p": 0.2}, {"p": 0.3}], [(0.1,), (0.2,), (0.3,)]),
        ([{"label": "A", "score": 0.1}] * 3, None),
        (["A", "B", "C"], None),
        ({"p": {"q": 1}}, None),
        (np.zeros((3, 4, 4)), None),
        (np.array([1.0, 2.0]), None),
        ("A", None),
        (None, None),
        (object(), None),
    ],
)
def test_any_output_comes_back_and_tables_are_read(
    recording: Recording, registry: Registry, answer: Any, expected: Any
) -> None:
    """One row of outputs for each row of inputs, or none."""
    assert model(registry, answer).predict(np.array(TABLE)) is answer
    batch = only(recording)
    if expected is None:
        assert batch.outputs is None
        return
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert list(map(tuple, batch.outputs.matrix.tolist())) == expected


def test_parameters_are_the_models(recording: Recording, registry: Registry) -> None:
    """``params`` goes to the model as it is, and is no feature."""
    schema = registry.mlflow.models.infer_signature(pd.DataFrame(TABLE), params={"answer": 1.0})
    asked = model(registry, signature=schema)
    assert asked.predict(np.array(TABLE), params={"answer": 5.0}) == 5.0
    assert asked.predict(np.array(TABLE), {"answer": 6.0}) == 6.0
    assert asked.predict(params={"answer": 7.0}, data=np.array(TABLE)) == 7.0
    assert recording.calls() == 3
    assert recording.rows().seen == 9
    with pytest.raises(TypeError, match="data"):
        asked.predict()
    assert recording.errors() == {"TypeError": 1}


def test_what_the_signature_refuses_is_an_error_of_the_model(
    recording: Recording, registry: Registry
) -> None:
    """The library inside never sees that call."""
    loaded = registry.mlflow.pyfunc.load_model("models:/fraud/3")
    refused = registry.mlflow.exceptions.MlflowException
    with pytest.raises(refused, match="missing inputs"):
        loaded.predict(pd.DataFrame({"age": [1.0]}))
    with pytest.raises(refused, match=r"Incompatible input types|Failed to convert column"):
        loaded.predict(pd.DataFrame({"age": ["old"], "income": ["low"]}))
    counts = recording.counts()[("fraud", "predict")]
    assert (counts.success, dict(counts.errors)) == (0, {"MlflowException": 2})


def test_memory_that_runs_out_is_an_error(recording: Recording, registry: Registry) -> None:
    """The caller gets it as it is."""

    class Hungry:
        def predict(self, data: Any) -> Any:
            raise MemoryError

    meta = registry.mlflow.models.Model()
    with pytest.raises(MemoryError):
        registry.mlflow.pyfunc.PyFuncModel(meta, Hungry()).predict(np.array(TABLE))
    assert recording.errors() == {"MemoryError": 1}


def test_what_a_model_is(recording: Recording, registry: Registry, rows: pd.DataFrame) -> None:
    """Its task is known where scikit-learn tells it, and its outputs are labels then."""
    loaded = registry.mlflow.pyfunc.load_model("models:/fraud/3")
    loaded.predict(rows)
    model(registry, np.zeros(10)).predict(rows)
    infos = {channel.key.name: channel.info for channel in shared.channels.all()}
    assert infos["fraud"].framework == "mlflow"
    assert infos["fraud"].task is Task.CLASSIFICATION
    assert infos["fraud"].feature_names == ("age", "income")
    other = infos["PyFuncModel"]
    assert (other.task, other.feature_names) == (Task.UNKNOWN, None)
    assert set(recording.values()) == {("PyFuncModel", "")}


def test_a_model_that_answers_probabilities_has_values(
    recording: Recording, registry: Registry, rows: pd.DataFrame, classifier: Any, tmp_path: Any
) -> None:
    """``pyfunc_predict_fn`` may be another method than predict."""
    registry.mlflow.sklearn.save_model(
        classifier,
        tmp_path / "fraud",
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=[],
    )
    registry.mlflow.pyfunc.load_model(str(tmp_path / "fraud")).predict(rows)
    assert recording.values() == {("fraud", "0"): 10, ("fraud", "1"): 10}
