"""Which modules are models, and what their tensors come to as rows.

Values are read of tensors in the CPU's memory alone: to read one of a GPU would wait until the GPU
has done all that it was asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tidegauge import identity
from tidegauge.guard import guarded
from tidegauge.info import ModelInfo
from tidegauge.projection import COMPONENTS, MAX_WIDTH, project
from tidegauge.snapshot import MAX_COLUMNS, Lazy, row_count

_TABLE = 2
# How torch.export calls the place of the model itself.
_ROOTS = ("", "L['self']")
# So many outputs of a model are told apart; of wider ones the projection is recorded.
_MAX_OUTPUTS = 50


class Chosen:
    """The classes that are named, and the objects that stand in for one of them."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._known = identity.new_cache()

    def is_named(self, cls: type) -> bool:
        """Say whether a class is named: alone, or behind its module or a package above it."""
        return self._matches(f"{cls.__module__}.{cls.__qualname__}")

    def _matches(self, path: str) -> bool:
        package, _, name = path.rpartition(".")
        if name in self.names or path in self.names:
            return True
        above = (each.rpartition(".") for each in self.names)
        return any(last == name and f"{package}.".startswith(f"{top}.") for top, _, last in above)

    def serves(self, module: Any) -> bool:
        """Say whether a stand-in is for a class that is named, and is not in training."""
        known: tuple[bool, bool] | None = self._known.get(id(module))
        if known is None:
            known = (False, False)
            with guarded("torch.stand_in"):
                known = self._matches(stood_for(module)), bool(_exported(module))
                if identity.watch(module):
                    self._known[id(module)] = known
        named, exported = known
        # An exported graph says that it trains, and cannot.
        return named and (exported or not getattr(module, "training", True))


def stood_for(module: Any) -> str:
    """Return the full name of the class that a module stands in for, or its own."""
    inner = getattr(module, "_orig_mod", None)
    if inner is not None:  # torch.compile
        return stood_for(inner)
    if hasattr(module, "original_name"):  # torch.jit
        return _scripted(module)
    kind = type(module)
    return _exported(module) or f"{kind.__module__}.{kind.__name__}"


def _scripted(module: Any) -> str:
    try:
        parts = module._c._type().qualified_name().split(".")  # noqa: SLF001 - nowhere public
    except AttributeError:
        return str(module.original_name)
    return ".".join(part for part in parts if not part.startswith("__torch"))


def _exported(module: Any) -> str:
    """Return the class that ``torch.export`` was given, as its graph tells; else nothing."""
    if not any(kind.__name__ == "GraphModule" for kind in type(module).__mro__):
        return ""
    for node in module.graph.nodes:
        for place, kind in (node.meta.get("nn_module_stack") or {}).values():
            if place in _ROOTS:
                return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return ""


def describe(module: Any) -> ModelInfo:
    """Return what a module says of itself: its class, or that of what it stands in for."""
    inner = getattr(module, "_orig_mod", None)
    if inner is not None:
        identity.adopt(module, inner)
    return ModelInfo(framework="torch", class_name=stood_for(module).rpartition(".")[2])


def features(data: Any) -> Any:
    """Return rows of the first argument: the first dimension of a tensor is its batch.

    Whole numbers are ids, of tokens or of categories, and no quantities: they are not read.
    """
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind == "f" else Lazy(row_count(data), _nothing)
    if isinstance(data, dict):
        return _columns(data)
    tensor = _first(data)
    if tensor is None:
        return Lazy(1, _nothing)
    return Lazy(_rows(tensor), lambda start, step: _read(tensor, start, step, ids=False))


def outputs(result: Any) -> Any:
    """Return the prediction among what a module returns: logits, or else the first tensor."""
    tensor = _prediction(result)
    if tensor is None:
        return None
    return Lazy(_rows(tensor), lambda start, step: _projected(_read(tensor, start, step)))


def _nothing(*_: int) -> None:
    return None


# Types are few and live as long as their library.
_tensors: dict[type, bool] = {}


def _is_tensor(value: Any) -> bool:
    found = _tensors.get(type(value))
    if found is None:
        # The class is torch's, which is not to be imported here.
        kinds = type(value).__mro__
        found = any(kind.__name__ == "Tensor" and kind.__module__ == "torch" for kind in kinds)
        _tensors[type(value)] = found
    return found


def _rows(tensor: Any) -> int:
    return int(tensor.shape[0]) if len(tensor.shape) else 1


def _first(data: Any) -> Any:
    """Return the first tensor of a value, or of what it holds; None where there is none."""
    if _is_tensor(data):
        return data
    values = data.values() if hasattr(data, "values") else data
    if isinstance(values, list | tuple) or hasattr(data, "values"):
        return next((value for value in values if _is_tensor(value)), None)
    return None


def _prediction(result: Any) -> Any:
    logits = result.get("logits") if hasattr(result, "get") else None
    return logits if _is_tensor(logits) else _first(result)


def _columns(data: dict[Any, Any]) -> Any:
    """Return named columns, where a dict has one tensor for each, and else a number of rows."""
    tensors = [value for value in data.values() if _is_tensor(value)]
    rows = _rows(tensors[0]) if tensors else 1
    if len(tensors) != len(data) or any(
        _width(each) != 1 or _rows(each) != rows for each in tensors
    ):
        return Lazy(rows, _nothing)
    names = tuple(map(str, data))

    def read(start: int, step: int) -> Any:
        columns = [_read(tensor, start, step) for tensor in tensors]
        if any(column is None for column in columns):
            return None
        cells = zip(*(column.ravel().tolist() for column in columns), strict=True)
        return [dict(zip(names, row, strict=True)) for row in cells]

    return Lazy(rows, read)


def _width(tensor: Any) -> int:
    if len(tensor.shape) > _TABLE:
        return 0
    return int(tensor.shape[1]) if len(tensor.shape) == _TABLE else 1


def _read(tensor: Any, start: int, step: int, *, ids: bool = True) -> Any:
    """Return chosen rows as an array, to be copied at once; None of values that are not to be read.

    That is a tensor of another device, of more than two dimensions, or without plain memory.
    """
    import torch  # noqa: PLC0415 - the app has imported it, or there would be no tensor

    kind, width = tensor.dtype, _width(tensor)
    if (
        type(tensor) not in (torch.Tensor, torch.nn.Parameter)
        or not tensor.is_cpu
        or tensor.layout is not torch.strided
        or not 0 < width <= (MAX_WIDTH if ids else MAX_COLUMNS)
        or tensor.is_quantized
        or kind.is_complex
        or (not ids and width > 1 and not kind.is_floating_point)
    ):
        return None
    try:
        plain = tensor.detach()
        if kind.is_floating_point and kind.itemsize < torch.float32.itemsize:
            return plain[start::step].float().numpy()
        array = plain.numpy()  # the tensor's own memory, so that only what is chosen is copied
    except RuntimeError:  # it has no values of its own: a batch of vmap
        return None
    return array[start::step] if array.ndim else array.reshape(1)


def _projected(rows: Any) -> Any:
    """Return a few columns of what is wider than outputs may be: an embedding."""
    if rows is None or rows.ndim != _TABLE or rows.shape[1] <= max(_MAX_OUTPUTS, COMPONENTS):
        return rows
    return project(rows)
