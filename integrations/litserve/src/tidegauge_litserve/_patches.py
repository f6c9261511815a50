"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.carrier import carrier
from tidegauge.observe import observer
from tidegauge.patcher import Functions, Patch, Subclasses

from tidegauge_litserve._extract import describe, features, outputs, route


class Named:
    """The classes that are models: none, until somebody names one."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def __call__(self, cls: type) -> bool:
        """Say whether a class is named. One that inherits ``predict`` is what it inherits from."""
        return cls.__name__ in self.names and "predict" in vars(cls)


NAMED = Named()

# A worker serves one API until it ends, so all its predictions have that one's route. Of a request
# no more than the body comes to it.
ROUTES: tuple[Patch, ...] = (
    Functions("litserve.loops.loops", {"inference_worker": carrier("litserve", route)}),
)

PATCHES: tuple[Patch, ...] = (
    # A plain method, a coroutine or a generator of either kind, as LitServe allows.
    Subclasses(
        "litserve.api",
        "LitAPI",
        {
            "predict": observer(
                "predict", describe, argument="x", features=features, outputs=outputs
            )
        },
        only=NAMED,
    ),
)
