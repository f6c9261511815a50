"""What is wrapped, and why.

``nn.Module.__call__`` itself is not: every layer of every network would pay for it. The classes
that are named get a ``__call__`` of their own, and so do the few of torch's classes that stand in
for a model: compiled, scripted, traced, exported. Those look at each object once.

torch compiles what a module calls. While it does, and while it traces, a wrapper is only what it
wraps: nothing of it is in a graph, and ``fullgraph=True`` compiles. It asks what its own thread
does: ``is_compiling()`` says yes on all threads while one compiles, and their calls would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge.calls import Calls
from tidegauge.guard import once
from tidegauge.loading import loader
from tidegauge.observe import Decorator, recorder, suppressor
from tidegauge.patcher import Functions, Methods, Patch, Subclasses

from tidegauge_torch._calls import answers, sampler
from tidegauge_torch._extract import Chosen, describe
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


def forward(serves: Callable[[Any], bool] | None = None) -> Decorator:
    """Return the decorator of ``__call__`` of classes that are named, or of those that stand in.

    ``serves`` says of an object whether it stands in for a model; without it each is one that is
    not in training.
    """
    calls = Calls("__call__", describe)
    calls.plain_dtype = None
    record = recorder(calls)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        if calls.ignore is None:
            import torch  # noqa: PLC0415 - the app imports it now

            calls.ignore = predicts_nothing(torch, serves)
            calls.sample, calls.outputs = sampler(torch.Tensor), answers(torch.Tensor)
        return record(original)

    return decorate


def predicts_nothing(
    torch: Any, serves: Callable[[Any], bool] | None
) -> Callable[[Any, Any], object]:
    """Return what says that a call of a module is none of a model: it trains, or is traced."""
    # Fake tensors and other tracers; torch.jit, whose public function takes four times as long.
    watched = private(torch, "_len_torch_dispatch_stack")
    tensor, traceable = torch.Tensor, private(torch, "_is_tracing") is not int

    # A class of ``__main__`` is pickled by value, and this with it: only torch's names here, and
    # not that function itself, which cannot be pickled everywhere.
    def ignore(module: Any, data: Any) -> object:
        return (
            torch.compiler.is_dynamo_compiling()
            or (getattr(module, "training", True) if serves is None else not serves(module))
            or watched()
            or (traceable and torch._C._is_tracing())  # noqa: SLF001 - as above
            or (type(data) is not tensor and type(data).__name__ == "Proxy")  # torch.fx
        )

    return ignore


def private(torch: Any, name: str) -> Callable[[], int]:
    """Return a function of torch that is nowhere public; where it is gone, one that says no."""
    found: Callable[[], int] | None = getattr(torch._C, name, None)  # noqa: SLF001
    if found is None:
        once(
            f"torch.missing.{name}",
            "torch._C has no %s: models that are traced count as models that predict. This "
            "version of PyTorch may be newer than the integration; look for an update of it.",
            name,
        )
    return found or int


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
    Subclasses(_MODULE, "Module", {"__call__": forward(CHOSEN.serves)}, only=_stands_in),
    Functions("torch.jit._serialization", {"load": loader("f")}),
    Functions("torch.serialization", {"load": reading()}),
    # They call the model, or what they have made of it, to compare.
    Functions("torch.jit._trace", {"trace": suppressor(), "trace_module": suppressor()}),
    Functions("torch.export", {"export": suppressor()}),
    # A model that is filled from a file goes by that file.
    Methods(_MODULE, "Module", {"load_state_dict": adopting()}),
)
