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


class Role(StrEnum):
    """What a version's answers are for: users, some users, nobody yet."""

    LIVE = "live"
    CANARY = "canary"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts that the library's object carries.

    ``name`` and ``version`` come from registry metadata only and stay empty where the library has
    none; ``file`` is the base name of the file that the object says it came from; ``class_name`` is
    the fallback (``Pipeline[LogisticRegression]``). Never a path or data.
    ``classes`` are the labels of a classifier's probability columns, in their order. ``role`` is
    one of ``Role`` where the app says so, else empty. ``labels`` says whether the model answers
    with labels; None where that follows from the task, as it does for estimators.
    ``absent_is_missing`` says what a row of a sparse matrix leaves out: nothing is known of it to
    such a model, to others it is 0.
    """

    framework: str
    class_name: str
    name: str = ""
    version: str = ""
    feature_names: tuple[str, ...] | None = None
    task: Task = Task.UNKNOWN
    classes: tuple[str, ...] | None = None
    role: str = ""
    file: str = ""
    labels: bool | None = None
    absent_is_missing: bool = False


Describe: TypeAlias = Callable[[object], ModelInfo]
