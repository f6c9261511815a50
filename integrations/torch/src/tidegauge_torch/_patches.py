"""What is wrapped, and why.

``nn.Module.__call__`` itself is not: every layer of every network would pay for it. The classes
that are named get a ``__call__`` of their own, and so do the few of torch's classes that stand in
for a model: compiled, scripted, traced, exported. Those look at each object once.

torch compiles what a module calls. While it does, and while it traces, a wrapper is only what it
wraps: nothing of it is in a graph, and ``fullgraph=True`` compiles. It asks what its own thread
does: ``is_compiling()`` says yes on all threads while one compiles, and their calls would be lost.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tidegauge.loading import loader
from tidegauge.observe import Decorator, observer, suppressor
from tidegauge.patcher import Functions, Methods, Patch, Subclasses

from tidegauge_torch._extract import Chosen, describe, features, outputs
from tidegauge_torch._naming import adopting, reading

CHOSEN = Chosen()

_MODULE = "torch.nn.modules.module"
# torch.compile; torch.jit.script, trace and load; torch.export and torch.fx.
_STAND_INS = frozenset(
    {
        "torch._dynamo.eval_frame.OptimizedModule",
        "torch.jit._script.ScriptModule",
        "torch.fx.graph_module.GraphModule",
    }
)


def _recorder() -> Decorator:
    return observer("__call__", describe, argument="", features=features, outputs=outputs)


def forward() -> Decorator:
    """Return the decorator of ``__call__`` of a class that is named."""
    record = _recorder()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return record(original)
        import torch  # noqa: PLC0415 - the app imports it now

        modes = dispatch_modes(torch)

        # It has the cell of the original that the wrapper has: who changes one changes both.
        def passed_on(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return original(self, *args, **kwargs)

        recorded = record(passed_on)
        calls = recorded.__tidegauge__  # type: ignore[attr-defined]

        # A class of ``__main__`` is pickled by value, and this with it: only torch's names here.
        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if (
                torch.compiler.is_dynamo_compiling()
                or getattr(self, "training", True)
                or torch.jit.is_tracing()
                or modes()
                or (args and type(args[0]).__name__ == "Proxy")  # torch.fx traces
                or calls is None  # it never is: by what a closure holds our wrappers are known
            ):
                return original(self, *args, **kwargs)
            return recorded(self, *args, **kwargs)

        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


def standing_in() -> Decorator:
    """Return the decorator of ``__call__`` of a class whose objects stand in for a model."""
    record = _recorder()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return record(original)
        import torch  # noqa: PLC0415 - the app imports it now

        modes = dispatch_modes(torch)

        def passed_on(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return original(self, *args, **kwargs)

        recorded = record(passed_on)
        calls = recorded.__tidegauge__  # type: ignore[attr-defined]

        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if (
                torch.compiler.is_dynamo_compiling()
                or not CHOSEN.serves(self)
                or torch.jit.is_tracing()
                or modes()
                or calls is None  # as above
            ):
                return original(self, *args, **kwargs)
            return recorded(self, *args, **kwargs)

        wrapper.__tidegauge__ = calls  # type: ignore[attr-defined]
        return wrapper

    return decorate


def dispatch_modes(torch: Any) -> Callable[[], int]:
    """Return what says how many modes watch the operations of tensors: tracers, fake tensors.

    It is nowhere public. Where it is gone, what is traced that way counts as a prediction.
    """
    modes: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", int)  # noqa: SLF001
    return modes


def _stands_in(cls: type) -> bool:
    return f"{cls.__module__}.{cls.__qualname__}" in _STAND_INS


PATCHES: tuple[Patch, ...] = (
    Subclasses(
        _MODULE,
        "Module",
        {"__call__": forward()},
        # Classes of a training script's ``__main__`` come by value in the model's pickle.
        on_load="__setstate__",
        only=CHOSEN.is_named,
    ),
    Subclasses(_MODULE, "Module", {"__call__": standing_in()}, only=_stands_in),
    Functions("torch.jit._serialization", {"load": loader("f")}),
    Functions("torch.serialization", {"load": reading()}),
    # They call the model, or what they have made of it, to compare.
    Functions("torch.jit._trace", {"trace": suppressor(), "trace_module": suppressor()}),
    Functions("torch.export", {"export": suppressor()}),
    # A model that is filled from a file goes by that file.
    Methods(_MODULE, "Module", {"load_state_dict": adopting()}),
)
