"""A canary or shadow beside the live version: live rows of the same windows, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegauge import guard

from tidegauge_drift.block import OUTPUTS
from tidegauge_drift.calls import pairs
from tidegauge_drift.packing import narrow
from tidegauge_drift.window import Baseline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegauge_drift.block import Slot
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.pane import Pane
    from tidegauge_drift.window import WindowSpec

LIVE = "live"
# Live versions of one model at the same time, in one window: a release goes from one to the next.
_MAXIMUM_VERSIONS = 4
_MAXIMUM_OUTPUTS = 10


def shown_outputs(slots: Sequence[Slot]) -> list[str]:
    """Return the outputs that are exported as they are compared with a live version."""
    return [slot.name for slot in slots if slot.family == OUTPUTS][:_MAXIMUM_OUTPUTS]


def label(baseline: Baseline | None) -> str:
    """Return what stands for the live version where the checksum of a reference stands else."""
    return f"{LIVE}:{'' if baseline is None else baseline.version}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Counts of one live version's rows in an open window, never added to in place."""

    counts: Cells = field(repr=False)
    rows: int
    pairs: int


class Rivals:
    """The rows of the live versions in the open windows of one canary or shadow.

    They are counted on the same cells: versions of a name share its reference.
    """

    def __init__(self, windows: Sequence[WindowSpec]) -> None:
        self._open: dict[WindowSpec, dict[str, Rows]] = {spec: {} for spec in windows}

    def clear(self) -> None:
        """Forget all rows: windows begin anew."""
        for versions in self._open.values():
            versions.clear()

    def fold(self, panes: Iterable[Pane]) -> None:
        """Add panes of live versions to the open windows of all kinds."""
        for pane in panes:
            for versions in self._open.values():
                self._add(versions, pane)

    def _add(self, versions: dict[str, Rows], pane: Pane) -> None:
        known = versions.get(pane.model.version)
        if known is None and len(versions) >= _MAXIMUM_VERSIONS:
            guard.once(
                "drift.rivals",
                "%s: more than %s versions are live; its canaries and shadows are compared with "
                "the first ones of each window. Set TIDEGAUGE_MODEL_ROLE.",
                pane.model.name, _MAXIMUM_VERSIONS,
            )  # fmt: skip
            return
        rows = pane.rows + (0 if known is None else known.rows)
        counts = pane.counts if known is None else narrow(known.counts, rows) + pane.counts
        together = pairs(pane.extra) + (0 if known is None else known.pairs)
        versions[pane.model.version] = Rows(counts, rows, together)

    def take(self, spec: WindowSpec, last: str) -> Baseline:
        """Return the rows of the live version that had most of them; the next window opens.

        Without any it is that of the window before, by the name of ``last``.
        """
        versions, self._open[spec] = self._open[spec], {}
        if not versions:
            return Baseline(version=last)
        version = max(versions, key=lambda each: (versions[each].rows, each))
        found = versions[version]
        apart = found.pairs / max(1, found.rows)
        return Baseline(found.counts, version=version, rows=found.rows, pairs=apart)

    def state(self) -> list[tuple[dict[str, list[int]], list[Cells]]]:
        """Return rows and pairs of each version, and their counts, for each kind of window."""
        return [
            (
                {version: [each.rows, each.pairs] for version, each in versions.items()},
                [each.counts for each in versions.values()],
            )
            for versions in self._open.values()
        ]

    def go_on(self, spec: WindowSpec, rows: dict[str, Any], counts: Iterable[Cells]) -> None:
        """Take over an open window; ValueError where it is of another format."""
        self._open[spec] = {
            str(version): Rows(each, *map(int, numbers))
            for (version, numbers), each in zip(rows.items(), counts, strict=True)
        }
