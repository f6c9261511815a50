"""Which APIs are models. One that asks a model that is watched is none: it would hide that."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.settings import setting


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(name.isidentifier() for name in names):
        raise ValueError(text)
    return names


@dataclass(frozen=True, slots=True)
class LitserveSettings:
    """The settings of the LitServe integration."""

    classes: tuple[str, ...] = setting(
        "TIDEGAUGE_LITSERVE_CLASSES",
        (),
        "Classes of LitServe APIs whose predict is recorded as a model of its own: MyAPI,Other. "
        "What such a call asks of other models is then a part of it.",
        parse=_names,
        expected="names of classes with commas between",
    )
