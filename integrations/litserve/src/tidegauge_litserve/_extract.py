"""What an API says of itself, and what its requests and answers come to as rows. All pure."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from opentelemetry.context import Context
from tidegauge.carrier import serving
from tidegauge.info import ModelInfo
from tidegauge.snapshot import Lazy


def describe(api: object) -> ModelInfo:
    """Return the facts of an API: its class."""
    return ModelInfo(framework="litserve", class_name=type(api).__name__)


def route(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context | None:
    """Return the context of a worker: the path of the API that it is started for."""
    api = args[0] if args else kwargs["lit_api"]
    return serving(api.api_path, "")


def features(request: Any) -> Any:
    """Return the rows of a decoded request: a list or an array of numbers is one row."""
    if type(request) is np.ndarray:  # nearly always: what is below costs more than all the rest
        return request[None, :] if request.ndim == 1 else request
    if _is_tensor(request):
        return Lazy(len(request) if len(request.shape) > 1 else 1, _nothing)
    if isinstance(request, np.ndarray) and request.ndim == 1:
        return request[None, :]
    if _is_flat(request):
        return [tuple(request)]
    return request


def outputs(answer: Any) -> Any:
    """Return the rows of an answer: of a single request it may be a number, or a list of them."""
    if type(answer) is np.ndarray:
        return answer
    if _is_tensor(answer):
        return None
    if isinstance(answer, Number | np.generic):
        return np.asarray([answer])
    return np.asarray(answer) if _is_flat(answer) else answer


def _is_tensor(value: Any) -> bool:
    """Say whether a value may be on another device: to read it would wait for all that runs there.

    The integration of PyTorch reads tensors; this one must not import it.
    """
    kinds = type(value).__mro__
    return any(kind.__name__ == "Tensor" and kind.__module__ == "torch" for kind in kinds)


def _nothing(*_: int) -> None:
    return None


def _is_flat(values: Any) -> bool:
    return isinstance(values, list | tuple) and bool(values) and isinstance(values[0], Number)
