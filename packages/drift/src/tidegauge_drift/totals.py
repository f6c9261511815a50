"""What grows with each pane of a model beside its windows, and several of these kept as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tidegauge import guard

from tidegauge_drift.packing import PackingError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidegauge.batch import CountPoint, GaugePoint

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.pane import Pane

_MAGIC = b"tgtotal1"


class Totals(Protocol):
    """Something that grows with each pane and is kept with the windows."""

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Add a closed pane, merged over all processes; each comes once, in order of time."""
        ...

    def points(self) -> Iterable[CountPoint | GaugePoint]:
        """Return what stands now; changes nothing, and may run on any thread."""
        ...

    def to_bytes(self) -> bytes:
        """Return what a successor needs to go on."""
        ...

    def restore(self, content: bytes) -> None:
        """Go on from what a predecessor returned; ValueError where it is nothing of the kind."""
        ...


def together(totals: Sequence[Totals]) -> Totals | None:
    """Return one that does what all of them do; None where there is none."""
    if len(totals) <= 1:
        return totals[0] if totals else None
    return Together(totals)


class Together:
    """Hands each pane to all; what fails in one does not keep it from the others."""

    def __init__(self, totals: Sequence[Totals]) -> None:
        self._totals = tuple(totals)

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Add a closed pane."""
        for each in self._totals:
            with guard.guarded(f"drift.totals.{type(each).__name__}"):
                each.fold(layout, pane)

    def points(self) -> Iterator[CountPoint | GaugePoint]:
        """Yield what stands now."""
        for each in self._totals:
            yield from each.points()

    def to_bytes(self) -> bytes:
        """Return what a successor needs to go on."""
        return pack(_MAGIC, {}, [each.to_bytes() for each in self._totals])

    def restore(self, content: bytes) -> None:
        """Go on from what a predecessor returned; ValueError where it is nothing of the kind."""
        try:
            _, arrays = unpack(_MAGIC, content)
        except PackingError as error:
            raise ValueError("totals") from error
        for each, array in zip(self._totals, arrays, strict=True):
            with guard.guarded(f"drift.totals.{type(each).__name__}"):
                each.restore(array.tobytes())
