"""What collections read of one model: its windows, their verdicts, how columns differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegauge_drift.rivals import LIVE

if TYPE_CHECKING:
    from tidegauge.batch import ModelKey

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.schema import Difference
    from tidegauge_drift.verdict import WindowVerdict
    from tidegauge_drift.window import ClosedWindow, WindowSpec


@dataclass(frozen=True, slots=True)
class Closed:
    """A window that has closed and what was said of it."""

    window: ClosedWindow
    verdict: WindowVerdict


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What collections read: replaced as a whole when a window closes, never changed.

    ``closed`` has the last two windows of each kind, the newest first. ``members`` are the features
    that are exported, with how long each has been outside of the largest effects. Of a canary or
    shadow ``versus`` has the last window of each kind as it is compared with the live version.
    ``schema`` is how columns differ now; ``compared`` tells whether rows could ever be compared.
    """

    model: ModelKey
    layout: Layout
    closed: dict[WindowSpec, tuple[Closed, ...]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    role: str = LIVE
    versus: dict[WindowSpec, Closed] = field(default_factory=dict)
    schema: tuple[Difference, ...] = ()
    compared: bool = False

    def verdict(self, spec: WindowSpec) -> WindowVerdict | None:
        """Return the last verdict of one kind of window."""
        kept = self.closed.get(spec)
        return kept[0].verdict if kept else None
