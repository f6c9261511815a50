"""Recording by hand, where no integration sees the call: the same path, one ``with`` around it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tidegauge import prediction_ids
from tidegauge.call import Call
from tidegauge.calls import Calls
from tidegauge.identity import checked_role, clean_name
from tidegauge.info import ModelInfo, Task

F = TypeVar("F", bound=Callable[..., Any])


class Model:
    """A model that the app names and records itself.

    Parameters
    ----------
    name : str
        What its metrics carry as ``model_name``; not empty.
    version : str
        What they carry as ``model_version``.
    operation : str
        What they carry as ``operation``.
    role : str
        ``live``, ``canary`` (answers some users) or ``shadow`` (answers nobody yet), whose answers
        are compared with those of the live version; by default what ``TIDEGAUGE_MODEL_ROLE`` says.
    task : str
        ``classification`` where outputs are labels (they are counted, not put in a histogram of
        values), ``regression`` or ``unknown`` where they are numbers.

    Examples
    --------
    >>> model = Model("fraud_detection", version="3")
    >>> with model.prediction({"amount": 12.5, "country": "NO"}) as p:
    ...     p.output = 0.02
    """

    def __init__(
        self,
        name: str,
        version: str = "",
        *,
        operation: str = "predict",
        role: str = "",
        task: str = "unknown",
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(
                f"Model name: got {name!r} from the argument; expected a non-empty text. "
                "Pass the name that alerts should show."
            )
        self.name = clean_name(name)
        self.version = clean_name(str(version))
        if task not in tuple(Task):
            raise ValueError(
                f"Model task: got {task!r} from the argument; expected one of {', '.join(Task)}. "
                "Leave it out where you do not know."
            )
        info = ModelInfo(
            "manual", self.name, self.name, self.version, task=Task(task),
            role=checked_role("Model", role),
        )  # fmt: skip
        #: Whether outputs are labels, of which text is one form; else text is not looked at.
        self.labels = info.task in (Task.CLASSIFICATION, Task.OUTLIER)
        self._calls = Calls(operation, lambda _: info, features=_as_rows)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, version={self.version!r})"

    def prediction(self, features: object = None) -> Prediction:
        """Return the context manager of one call.

        ``features`` is one row (a dict, a flat list, a 1-d array) or several (a frame, a 2-d array,
        a list of rows). The block's time is the latency; its exception, if any, the error.
        """
        return Prediction(self, self._calls, features)

    def observe(self, function: F) -> F:
        """Record every call of a function whose first argument is the features.

        Works on plain and ``async`` functions.
        """
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def observed_async(*args: Any, **kwargs: Any) -> Any:
                with self.prediction(_first(args, kwargs)) as p:
                    p.output = result = await function(*args, **kwargs)
                return result

            return observed_async  # type: ignore[return-value]

        @functools.wraps(function)
        def observed(*args: Any, **kwargs: Any) -> Any:
            with self.prediction(_first(args, kwargs)) as p:
                p.output = result = function(*args, **kwargs)
            return result

        return observed  # type: ignore[return-value]


class Prediction(Call):
    """One call in the making; set ``output`` before the block ends."""

    __slots__ = ("_labels",)

    def __init__(self, model: Model, calls: Calls, data: Any) -> None:
        super().__init__(calls, model, data, prediction_ids.new())
        self._labels = model.labels

    def shaped(self, rows: int) -> Any:
        """Return the output in the shape of so many rows."""
        return _as_outputs(self.output, rows, self._labels)


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return args[0] if args else next(iter(kwargs.values()), None)


def _as_rows(data: Any) -> Any:
    """Turn one flat row into a table of one row; leave everything else as it is."""
    if isinstance(data, np.ndarray) and data.ndim == 1:
        return data[None, :]
    flat = (list, tuple, dict, np.ndarray)
    if isinstance(data, list | tuple) and data and not isinstance(data[0], flat):
        return [tuple(data)]
    if type(data).__name__ == "Series" and hasattr(data, "to_dict"):
        return data.to_dict()
    return data


def _as_outputs(output: Any, rows: int, labels: bool) -> Any:
    """Give a single row's output the shape of one row."""
    if rows != 1:
        plain = labels and isinstance(output, list | tuple)
        return np.array(output, dtype=object) if plain else output
    if isinstance(output, np.ndarray) or (hasattr(output, "__array__") and np.ndim(output)):
        return np.asarray(output).reshape(1, -1)
    if labels and isinstance(output, str):
        return np.array([[output]], dtype=object)
    if isinstance(output, list | tuple):
        first = output[0] if len(output) == 1 else None
        return np.asarray(first if isinstance(first, list | tuple) else output).reshape(1, -1)
    return [output]
