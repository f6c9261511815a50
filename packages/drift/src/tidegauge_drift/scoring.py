"""The outputs of a fitted model for rows that it has not seen, as live calls would give them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.profile import ProfileError

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.tables import Rows

# What live calls may be of, the one that tells most first.
OPERATIONS = ("predict_proba", "predict", "decision_function")
# Outputs in sample are as good as others only if the model is no better there than by this much.
MOST_OPTIMISM = 0.02
# Rows whose accuracy is looked at.
_SCORED_ROWS = 200_000
_BINARY = 2


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a model from a joblib file. This executes code in the file: only load what you trust.

    Raises
    ------
    ProfileError
        The file cannot be read, or holds nothing that predicts.
    """
    try:
        import joblib  # noqa: PLC0415 - comes with the model's library

        model = joblib.load(path)
    except Exception as error:  # whatever the code in the file raises
        raise ProfileError(
            f"model: got {type(error).__name__} while loading {Path(path).name}; expected a file "
            "that joblib has written, and the libraries that its model needs. Install them, or "
            "pass --holdout with --outputs instead."
        ) from error
    if not hasattr(model, "predict"):
        raise ProfileError(
            f"model: got {type(model).__name__} from {Path(path).name}; expected a fitted model "
            "with predict. Save the model alone."
        )
    return model


class Scorer:
    """A model with the columns that it gets, in its order.

    Parameters
    ----------
    model : object with ``predict``
        ``feature_names_in_`` or ``n_features_in_`` say what it was fitted on.
    columns : sequence of str
        The table's columns that may be the model's: neither the target nor the times.
    operation : str
        One of ``OPERATIONS``; the first one that the model has if empty.

    Raises
    ------
    ProfileError
        The table lacks columns of the model, or their number differs.
    """

    def __init__(self, model: Any, columns: Sequence[str], operation: str = "") -> None:
        self._model = model
        self._named = hasattr(model, "feature_names_in_")
        self.measure = "accuracy" if hasattr(model, "classes_") else "R squared"
        self.operation = operation or next(name for name in OPERATIONS if hasattr(model, name))
        if not hasattr(model, self.operation):
            raise ProfileError(
                f"operation: got {self.operation!r} from the argument; expected one that "
                f"{type(model).__name__} has. Leave it out."
            )
        self.names = [str(n) for n in model.feature_names_in_] if self._named else list(columns)
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise ProfileError(
                f"model: got a table without {', '.join(missing[:10])} from the argument; expected "
                "all columns that the model was fitted on. Use the table that it was fitted on."
            )
        many = getattr(model, "n_features_in_", len(self.names))
        if many != len(self.names):
            raise ProfileError(
                f"model: got {len(self.names)} columns from the argument; expected the {many} that "
                "the model was fitted on. Name the others with --drop, the label with --target."
            )

    def outputs(self, part: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the model's outputs for some rows, under the names that live ones have."""
        found = np.asarray(self._call(self.operation, part))
        if found.ndim == 1:
            return {"output": found}
        classes = [str(label) for label in getattr(self._model, "classes_", range(found.shape[1]))]
        if len(classes) != found.shape[1]:
            classes = [str(k) for k in range(found.shape[1])]
        if found.shape[1] == _BINARY and self.operation == "predict_proba":
            return {classes[1]: found[:, 1]}  # the first says the same
        return dict(zip(classes, found.T, strict=True))

    def _call(self, operation: str, part: dict[str, Any]) -> Any:
        import pandas as pd  # noqa: PLC0415 - what read the table

        frame = pd.DataFrame({name: part[name] for name in self.names})
        try:
            return getattr(self._model, operation)(frame if self._named else frame.to_numpy())
        except Exception as error:  # whatever a model raises on rows that it does not like
            raise ProfileError(
                f"model: got {type(error).__name__} from {operation}; expected outputs for the "
                "table's rows. Use rows as the model gets them."
            ) from error

    def score(self, rows: Rows, target: str) -> float:
        """Return the share of right predictions, or R squared where the target is a quantity."""
        right: list[NDArray[Any]] = []
        said: list[NDArray[Any]] = []
        for part in rows.parts([*self.names, target], ()):
            said.append(np.asarray(self._call("predict", part)))
            right.append(np.asarray(part[target]))
            if sum(map(len, right)) >= _SCORED_ROWS:
                break
        y, z = np.concatenate(right), np.concatenate(said)
        if hasattr(self._model, "classes_"):
            return float((y == z).mean())
        return float(1 - ((y - z) ** 2).sum() / ((y - y.mean()) ** 2).sum())


class ScoredRows:
    """The model's outputs for the rows of one or more tables, as a table.

    ``beside`` are columns of the tables that it has too.
    """

    named = True

    def __init__(self, tables: Sequence[Rows], scorer: Scorer, beside: Sequence[str] = ()) -> None:
        self._tables = tables
        self._scorer = scorer
        self.source = " + ".join(table.source for table in tables)
        first = next(iter(tables[0].parts(scorer.names, ())), None)
        if first is None:
            raise ProfileError(
                f"holdout: got no rows from {tables[0].source}; expected at least one. Correct it."
            )
        few = {name: column[:1] for name, column in first.items()}
        outputs = scorer.outputs(few)
        self._beside = [name for name in beside if name not in outputs]
        self.names = (*outputs, *self._beside)

    def parts(
        self,
        wanted: Sequence[str],
        as_text: Collection[str],  # noqa: ARG002 - outputs are what they are
    ) -> Iterator[dict[str, Any]]:
        """Yield the outputs for some rows after others."""
        columns = [*dict.fromkeys((*self._scorer.names, *self._beside))]
        for part in chain.from_iterable(table.parts(columns, ()) for table in self._tables):
            found: dict[str, Any] = self._scorer.outputs(part)
            found.update({name: part[name] for name in self._beside})
            yield {name: found[name] for name in wanted}

    def total(self) -> int | None:
        """Return about how many parts there are, if that can be told."""
        totals = [table.total() for table in self._tables]
        return None if None in totals else sum(total or 0 for total in totals)
