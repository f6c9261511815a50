"""What is wrapped, and why."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tidegauge.observe import Decorator, recorder
from tidegauge.patcher import Methods, Patch, Subclasses
from tidegauge.unfolding import awaited

from tidegauge_transformers._calls import PipelineCalls, StreamSteps
from tidegauge_transformers._extract import answers_of, describe, inputs_of

# What the library's own classes answer at once. Of a generator or a data set they return a stream,
# and so may a class of the app's of whatever it likes.
_AT_ONCE = frozenset({str, list, tuple, dict})
_LIBRARY = "transformers"


def pipelines() -> Decorator:
    """Return the decorator of ``__call__`` of pipelines."""
    calls = PipelineCalls("__call__", describe)
    calls.sample, calls.outputs, calls.plain_dtype = inputs_of, answers_of, None

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return awaited(original, calls)
        library = original.__module__.partition(".")[0] == _LIBRARY
        return recorder(calls, at_once=_AT_ONCE if library else frozenset())(original)

    return decorate


def steps() -> Decorator:
    """Return the decorator of ``__next__`` of what a pipeline returns for a stream of inputs."""
    taken = StreamSteps()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any) -> Any:
            stream = taken.find(self)
            return original(self) if stream is None else stream.step(original, self)

        wrapper.__tidegauge__ = taken  # type: ignore[attr-defined]
        return wrapper

    return decorate


PATCHES: tuple[Patch, ...] = (
    # Two dozen tasks have a ``__call__`` of their own, which finishes what this one's has begun.
    Subclasses("transformers.pipelines.base", "Pipeline", {"__call__": pipelines()}),
    # For a generator or a data set the work is done while the caller reads the answers.
    Methods("transformers.pipelines.pt_utils", "PipelineIterator", {"__next__": steps()}),
)
