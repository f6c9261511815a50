"""Which classes are models. A network is made of modules, so none is taken unasked."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.settings import setting


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError(text)
    return names


@dataclass(frozen=True, slots=True)
class TorchSettings:
    """The settings of the PyTorch integration."""

    classes: tuple[str, ...] = setting(
        "TIDEGAUGE_TORCH_CLASSES",
        (),
        "Classes of PyTorch modules whose calls are predictions: MyNet,package.Other. No other "
        "module is watched.",
        parse=_names,
        expected="names of classes with commas between, each alone or behind its package",
    )
