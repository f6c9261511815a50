"""How the columns that a model gets differ from those of its reference, and since when.

Only a worker sees columns; it leaves notes of them in its panes, and the leader reads those of all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegauge.events import SchemaChange

from tidegauge_drift.block import INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegauge.batch import ModelKey

    from tidegauge_drift.matching import Match
    from tidegauge_drift.pane import Pane

#: What is different, and which column it is, or why nothing of that side is compared.
Note: TypeAlias = tuple[str, str]

MISSING, EXTRA = "missing_columns", "extra_columns"
#: Nothing of that side can be compared.
OTHER_INPUTS, OTHER_OUTPUTS = "other_inputs", "other_outputs"
KINDS = (OTHER_INPUTS, OTHER_OUTPUTS, MISSING, EXTRA)

CHANGED, OK, UNKNOWN = "changed", "ok", "unknown"

# Of each kind, so that no client can fill memory with the names of its columns.
_MAXIMUM = 10
_LONGEST = 200
# Of several clients one may be the odd one out: for so long it may not be heard of.
_PATIENCE_S = 600


def notes(side: str, match: Match) -> tuple[Note, ...]:
    """Return what is to be said of a table's columns."""
    if match.reason:
        return ((OTHER_INPUTS if side == INPUTS else OTHER_OUTPUTS, match.reason),)
    found = [(MISSING, name) for name in match.missing] + [(EXTRA, name) for name in match.extra]
    return joined((), found)


def joined(some: Iterable[Note], more: Iterable[Note]) -> tuple[Note, ...]:
    """Return all notes, the first ten of each kind; the same in any order and in any parts."""
    found = sorted({(kind, text[:_LONGEST]) for kind, text in (*some, *more)})
    kept: dict[str, list[Note]] = {}
    for note in found:
        kept.setdefault(note[0], []).append(note)
    return tuple(note for each in kept.values() for note in each[:_MAXIMUM])


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of difference that stands now: its columns, or why, and since when."""

    kind: str
    texts: tuple[str, ...]
    since_s: int


@dataclass(slots=True)
class Schema:
    """What the panes so far say; a difference ends with rows that lack it for ten minutes."""

    pane_s: int
    #: Of each kind the panes in which a note was seen last, and the pane in which it began.
    _seen: dict[str, dict[str, int]] = field(default_factory=dict)
    _since: dict[str, int] = field(default_factory=dict)

    def fold(self, model: ModelKey, reference: str, pane: Pane) -> list[SchemaChange]:
        """Add the notes of all panes of an index; return what has begun or ended with them."""
        before = {found.kind: found.texts for found in self.differences()}
        for kind, text in pane.notes:
            known = self._seen.setdefault(kind, {})
            if text in known or len(known) < _MAXIMUM:
                known[text] = pane.index
        oldest = pane.index - max(1, _PATIENCE_S // self.pane_s)
        for kind, known in list(self._seen.items()):
            self._seen[kind] = {text: at for text, at in known.items() if at > oldest}
            if self._seen[kind]:
                self._since.setdefault(kind, pane.index)
            else:
                del self._seen[kind], self._since[kind]
        now = {found.kind: found.texts for found in self.differences()}
        at_s = float(pane.start_s + pane.length_s)
        return [
            SchemaChange(model, reference, kind, *(
                (now[kind], CHANGED, at_s) if kind in now else (before[kind], OK, at_s)
            ))
            for kind in KINDS if (kind in now) != (kind in before)
        ]  # fmt: skip

    def end(self, model: ModelKey, reference: str, at_s: float) -> list[SchemaChange]:
        """Forget all of it: what follows is compared with another reference."""
        found = [
            SchemaChange(model, reference, each.kind, each.texts, UNKNOWN, at_s)
            for each in self.differences()
        ]
        self._seen, self._since = {}, {}
        return found

    def went_back(self, index: int) -> None:
        """Go on from an earlier time."""
        self._seen = {k: {t: min(i, index) for t, i in v.items()} for k, v in self._seen.items()}
        self._since = {kind: min(at, index) for kind, at in self._since.items()}

    def differences(self) -> tuple[Difference, ...]:
        """Return what differs now, the worst first."""
        return tuple(
            Difference(kind, tuple(sorted(self._seen[kind])), self._since[kind] * self.pane_s)
            for kind in KINDS
            if kind in self._seen
        )

    def state(self) -> list[Any]:
        """Return what a successor needs to go on, as plain values."""
        return [self._seen, self._since]

    def resume(self, state: list[Any]) -> None:
        """Go on from a state."""
        seen, since = state
        self._seen = {str(k): {str(t): int(i) for t, i in v.items()} for k, v in seen.items()}
        self._since = {str(kind): int(index) for kind, index in since.items()}
