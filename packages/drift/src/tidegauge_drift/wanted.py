"""What is counted and computed of each feature beside the default values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Values that cost something, each only where it is asked for.

    ``wasserstein`` needs sums of values beside the counts; ``classic``, the textbook's rules in
    place of the verdict with a budget of false alarms, counts on bins of equal width;
    ``correlation`` needs sums of products of features, ``segments`` the counts of each segment that
    the reference has.
    """

    kl: bool = False
    js: bool = False
    wasserstein: bool = False
    classic: bool = False
    correlation: bool = False
    segments: bool = False

    @property
    def counted(self) -> str:
        """Return what tells apart panes that have other arrays; empty by default."""
        names = {
            "sums": self.wasserstein, "classic": self.classic, "correlation": self.correlation,
            "segments": self.segments,
        }  # fmt: skip
        return "".join(f":{name}" for name, counted in names.items() if counted)


DEFAULT = Wanted()
