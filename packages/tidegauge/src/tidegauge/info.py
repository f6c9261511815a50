"""What an integration knows of a model object, asked once an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Task(StrEnum):
    """What a model's outputs mean; UNKNOWN is never guessed away."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    OUTLIER = "outlier"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts that the library's object carries.

    ``name`` and ``version`` come from registry metadata only and stay empty where the library has
    none; ``class_name`` is the fallback (``Pipeline[LogisticRegression]``). Never a path or data.
    ``classes`` are the labels of a classifier's probability columns, in their order.
    """

    framework: str
    class_name: str
    name: str = ""
    version: str = ""
    feature_names: tuple[str, ...] | None = None
    task: Task = Task.UNKNOWN
    classes: tuple[str, ...] | None = None


Describe: TypeAlias = Callable[[object], ModelInfo]
