"""What an integration reads of calls: whatever is passed and answered, and however much of it."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tidegauge import pipeline, suppress
from tidegauge.snapshot import MAX_ROWS

from tidegauge_testkit.contracts.case import ROWS, Case, arguments, stand_in
from tidegauge_testkit.recording import Recording

# Names only: their module imports pandas and polars, which the contract's processes do not need.
_KINDS = (
    "float64", "float32", "integers", "by column", "missing values", "frame", "mixed frame",
    "frame with missing values", "frame with categories", "frame with text",
    "columns of one name", "polars", "lists", "dicts", "sparse", "no rows", "one dimension", "none",
)  # fmt: skip

# What a call of a million rows may cost beyond the library: a copy of its features is 24 MB, and to
# look at each row 50 ms at the least. What it takes is a tenth of these.
_MOST_BYTES = 2_000_000
_MOST_S = 0.02

#: What a library may answer to ROWS rows, of whatever kind: nobody but the caller has to make sense
#: of it.
_ANSWERS: dict[str, Callable[[], Any]] = {
    "labels": lambda: np.array(["no", "yes"] * ROWS)[:ROWS],
    "integers": lambda: np.arange(ROWS),
    "probabilities": lambda: np.full((ROWS, 2), 0.5),
    "several classes": lambda: np.full((ROWS, 4), 0.25),
    "one column": lambda: np.ones((ROWS, 1)),
    "a list of arrays": lambda: [np.full((ROWS, 2), 0.5), np.full((ROWS, 3), 0.3)],
    "labels and maps": lambda: [np.arange(ROWS), [{0: 0.5, 1: 0.5} for _ in range(ROWS)]],
    "a tuple": lambda: (np.ones(ROWS), np.ones(ROWS)),
    "a list of texts": lambda: ["a", "b"] * ROWS,
    "a map": lambda: {"score": [0.5] * ROWS},
    "three dimensions": lambda: np.ones((ROWS, 2, 2)),
    "not a number": lambda: np.full(ROWS, np.nan),
    "one number": lambda: 0.5,
    "nothing": lambda: None,
    "an object": object,
}


class InputsContract(Case):
    """Each test tells one promise."""

    def matrix(self) -> Any:
        """Return the numbers of a table."""
        return np.random.default_rng(11).normal(size=(ROWS, self.scenario.features))

    def test_the_kinds_are_known(self) -> None:
        """A scenario lists kinds that are tried here."""
        from tidegauge_testkit.contracts.tables import KINDS  # noqa: PLC0415 - see above

        assert tuple(KINDS) == _KINDS
        assert self.scenario.inputs <= set(KINDS)

    @pytest.mark.parametrize("name", _KINDS)
    def test_each_kind_of_table(
        self, model: Any, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The library answers or refuses as without us, and what was passed is what is recorded.

        What the caller does to its table after the call changes nothing.
        """
        from tidegauge_testkit.contracts.tables import (  # noqa: PLC0415 - see above
            KINDS,
            alike,
            cells,
            names_of,
        )

        kind, matrix = KINDS[name], self.matrix()

        def ask(table: Any) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of names that the model does not know
                try:
                    return self.scenario.predict(model, self.scenario.feed(table))
                except Exception as error:
                    return error

        with suppress():
            expected = ask(kind.make(matrix))
        # Nothing is read before the caller has overwritten it.
        monkeypatch.setattr(pipeline.Pipeline, "start", lambda _: None)
        with Recording() as recording:
            table = kind.make(matrix)
            actual = ask(table)
            answer = repr(actual)  # it may be a view of the table
            if kind.spoil is not None:
                kind.spoil(table)
            assert type(actual) is type(expected)
            if isinstance(expected, Exception):
                assert name not in self.scenario.inputs, expected
                assert str(actual) == str(expected)
                assert set(recording.errors()) <= {type(expected).__name__}
                assert recording.faults() == {}
                return
            assert answer == repr(expected)
            assert recording.calls() == 1
            assert recording.faults() == {}
            if name not in self.scenario.inputs:
                return
            columns = kind.expect(matrix)
            rows = recording.rows()
            many = len(columns[0])
            assert (rows.seen, rows.used, rows.dropped) == (many, many, 0)
            features = [batch.features for batch in recording.batches() if batch.features]
            assert alike(columns, cells(features) or [[] for _ in columns])
            if kind.named:
                assert {table.names for table in features} == {tuple(names_of(matrix))}

    @pytest.mark.parametrize("name", _ANSWERS)
    def test_whatever_is_answered(self, recording: Recording, model: Any, name: str) -> None:
        """Any answer goes to the caller as it is, and the call is counted with its rows.

        What the library never answers may be a fault in reading it, which is counted and no more.
        """
        wrapper = self.wrapper()
        with arguments(wrapper) as found:
            self.ask(model)
        ((args, named),) = found
        answer = _ANSWERS[name]()
        with stand_in(wrapper, lambda *_, **__: answer):
            assert wrapper(*args, **named) is answer
        assert recording.calls() == 2
        assert recording.rows().seen == 2 * ROWS
        assert {cause.partition(":")[0] for cause in recording.faults()} <= {"record.outputs"}

    def test_what_is_answered_is_recorded(self, recording: Recording, model: Any) -> None:
        """The numbers that the app is given are the numbers that are recorded."""
        from tidegauge_testkit.contracts.tables import cells  # noqa: PLC0415 - see above

        numbers = self.scenario.recorded(self.ask(model))
        tables = [batch.outputs for batch in recording.batches() if batch.outputs]
        rows = zip(*cells(tables), strict=True)
        assert [float(value) for row in rows for value in row] == numbers

    def test_a_batch_job_costs_no_more_than_a_request(
        self, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a million rows at most 256 are looked at, and all are counted.

        What is measured is ours alone: a stand-in answers what the library has answered.
        """
        many = self.scenario.most_rows
        monkeypatch.setattr(pipeline.Pipeline, "start", lambda _: None)
        wrapper, data = self.wrapper(), self.scenario.data(many)
        with arguments(wrapper) as found, Recording():
            answer = self.scenario.predict(model, data)
        ((args, named),) = found
        with Recording() as recording, stand_in(wrapper, lambda *_, **__: answer):
            wrapper(*args, **named)  # what is found out once
            assert recording.rows().seen == many
            spent = []
            for _ in range(3):
                begun = time.thread_time()
                wrapper(*args, **named)
                spent.append(time.thread_time() - begun)
            tracemalloc.start()
            try:
                wrapper(*args, **named)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert recording.rows().seen == 5 * many
            assert recording.rows().dropped == 0
            batches = recording.batches()
            assert recording.faults() == {}
        assert sum(batch.features.rows for batch in batches if batch.features) <= 5 * MAX_ROWS
        assert min(spent) < _MOST_S
        assert peak < _MOST_BYTES
