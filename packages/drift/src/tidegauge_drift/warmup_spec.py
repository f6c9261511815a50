"""How much a reference is learnt from where there is none: ``warmup:<rows>,<duration>``."""

from __future__ import annotations

import re
from dataclasses import dataclass

WARMUP = "warmup"
#: How the source of a learnt reference begins; its hours follow.
SOURCE = f"{WARMUP} of "
#: Fewer rows say too little of what is rare, and nothing of how rows depend on each other.
MINIMUM_ROWS = 1_000
_MOST_ROWS = 1_000_000
_FORM = re.compile(rf"{WARMUP}(?::(\d{{1,7}}),(\d{{1,7}})([smhd])(,shared)?)?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORTEST_S, _LONGEST_S = 60, 30 * 86_400


@dataclass(frozen=True, slots=True)
class WarmupSpec:
    """At least so many rows, over at least so many seconds of service.

    ``shared`` says that all replicas have one state folder, and so one reference.
    """

    rows: int = 5_000
    seconds: int = 86_400
    shared: bool = False

    @classmethod
    def parse(cls, text: str) -> WarmupSpec | None:
        """Read a setting; None for what names a file or a folder.

        Raises
        ------
        ValueError
            It begins as a warm-up and goes on otherwise, or is out of bounds.
        """
        if text != WARMUP and not text.startswith(f"{WARMUP}:"):
            return None
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(text)
        if found[1] is None:
            return cls()
        spec = cls(int(found[1]), int(found[2]) * _UNITS[found[3]], found[4] is not None)
        rows = MINIMUM_ROWS <= spec.rows <= _MOST_ROWS
        if not rows or not _SHORTEST_S <= spec.seconds <= _LONGEST_S:
            raise ValueError(text)
        return spec
