"""What every place for profiles has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidegauge.answers import Outcome


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a profile.

    ``got`` is why it was not taken; ``setting`` the one that may be wrong, ``advice`` what to do;
    ``wait_s`` how long to wait where the backend has said so.
    """

    outcome: Outcome
    got: str = ""
    setting: str = ""
    advice: str = ""
    wait_s: float | None = None


DELIVERED = Written(Outcome.DELIVERED)


class Writer(Protocol):
    """A place for profiles. ``where`` names it in messages, without anything secret."""

    where: str

    def write(self, stem: str, content: bytes) -> Written:
        """Write a profile, whole or not at all; a second time it takes the first one's place.

        Nothing is raised that could be told apart: what is raised is tried again.
        """
        ...
