"""A process that serves for months: what a call leaves behind is gone once it is counted."""

from __future__ import annotations

import contextvars
import gc
import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from tidegauge import Model, flush, set_model_info

CALLS = 1_000
MANY = 25_000
# Between two collections; the buffer is then as full as in a busy second.
BETWEEN = 500
# What the interpreter and its libraries keep for themselves, most of it while calls are new: so
# half as many go before. Among many calls it is less than 3 bytes each; the smallest object that
# one could leave behind has 16.
NOISE_BYTES = 64_000
# What is filled or imported once is no growth; what calls leave behind comes with every round.
ROUNDS = 3

ROW = np.ones((1, 20))
NAMES = [f"f{i}" for i in range(20)]

Call = Callable[[], object]


def same_model(make: Callable[[], Any]) -> Callable[[Any], Call]:
    """Ask one model again and again, each time about new data."""

    def begin(core: Any) -> Call:
        model = core.model(lambda _: np.array([0.5]))
        return lambda: model.predict(make())

    return begin


def new_models(core: Any) -> Call:
    """Make a model for each call, as handlers do that load it anew."""
    kind = type(core.model(lambda _: np.array([0.5])))
    return lambda: kind().predict(ROW)


def named_models(core: Any) -> Call:
    """Make and name a model for each call."""
    kind = type(core.model(lambda _: np.array([0.5])))

    def call() -> None:
        model = kind()
        set_model_info(model, "fraud", "3")
        model.predict(ROW)

    return call


def models_by_hand(_: Any) -> Call:
    """Make a model that records itself for each call."""

    def call() -> None:
        with Model("fraud").prediction([1.0, 2.0]) as p:
            p.output = 0.5

    return call


def raising(core: Any) -> Call:
    """Ask a model that fails."""

    def answer(_: Any) -> Any:
        raise LookupError

    model = core.model(answer)

    def call() -> None:
        with pytest.raises(LookupError):
            model.predict(ROW)

    return call


def new_contexts(core: Any) -> Call:
    """Ask in a new context each time, as servers do that have one for each request."""
    model = core.model(lambda _: np.array([0.5]))
    return lambda: contextvars.Context().run(model.predict, ROW)


def spans(core: Any) -> Call:
    """Ask inside a span of each request's own."""
    model = core.model(lambda _: np.array([0.5]))
    tracer = TracerProvider().get_tracer("t")

    def call() -> None:
        with trace.use_span(tracer.start_span("request")):
            model.predict(ROW)

    return call


WAYS: dict[str, Callable[[Any], Call]] = {
    "ndarray": same_model(ROW.copy),
    "list": same_model(ROW.tolist),
    "dict": same_model(lambda: dict.fromkeys(NAMES, 1.0)),
    "frame": same_model(lambda: pd.DataFrame(ROW, columns=NAMES)),
    "mixed frame": same_model(lambda: pd.DataFrame({"a": [1.0], "b": ["x"], "c": [1]})),
    "batch": same_model(lambda: np.ones((300, 20))),
    "new models": new_models,
    "named models": named_models,
    "models by hand": models_by_hand,
    "raising": raising,
    "new contexts": new_contexts,
    "spans": spans,
}

# With fewer calls, where much else is tried too: each keeps something that the others do not.
EVERY_DAY = ("ndarray", "new models", "models by hand", "raising", "new contexts")


@pytest.mark.parametrize(
    ("way", "calls"),
    [
        *((way, CALLS) for way in EVERY_DAY),
        *(pytest.param(way, MANY, marks=pytest.mark.backends) for way in WAYS),
    ],
)
def test_calls_leave_nothing_behind(
    core: Any, monkeypatch: pytest.MonkeyPatch, way: str, calls: int
) -> None:
    """Whatever the input, the model and the outcome; each call takes 1/64 s."""
    core.use([])
    for module in ("observe", "call"):
        monkeypatch.setattr(f"tidegauge.{module}.perf_counter", itertools.count(0, 1 / 64).__next__)
    call = WAYS[way](core)

    def serve(number: int) -> None:
        for done in range(number):
            call()
            if done % BETWEEN == 0:
                assert flush()
        assert flush()
        gc.collect()

    serve(calls // 2)
    tracemalloc.start()
    try:
        serve(CALLS)
        grown = [NOISE_BYTES]
        while grown[-1] >= NOISE_BYTES and len(grown) <= ROUNDS:
            before, _ = tracemalloc.get_traced_memory()
            serve(calls)
            after, _ = tracemalloc.get_traced_memory()
            grown.append(after - before)
    finally:
        tracemalloc.stop()
    assert grown[-1] < NOISE_BYTES, grown
