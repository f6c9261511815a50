"""What is counted and computed of each feature beside the default values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Values that cost something, each only where it is asked for.

    ``wasserstein`` needs sums of values beside the counts.
    """

    kl: bool = False
    js: bool = False
    wasserstein: bool = False

    @property
    def counted(self) -> str:
        """Return what tells apart panes that have other arrays; empty by default."""
        return ":sums" if self.wasserstein else ""


DEFAULT = Wanted()
