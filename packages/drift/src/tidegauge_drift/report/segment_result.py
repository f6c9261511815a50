"""What a report says of segments: the rows that have the same value in one column."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegauge_drift.report.result import FeatureReport

# What a chart is drawn of: of all segments together it would be most of the report.
_DRAWN = ("bins", "histogram")


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was found among the rows of one segment; without features ``reason`` says why."""

    value: str
    reference_rows: int
    current_rows: int
    features: tuple[FeatureReport, ...] = ()
    reason: str = ""

    @property
    def flagged(self) -> tuple[FeatureReport, ...]:
        """The features that drifted or whose data quality changed, larger effects first."""
        return tuple(feature for feature in self.features if feature.flagged)

    @property
    def drifted(self) -> bool | None:
        """Whether a feature is flagged; None where none could be judged."""
        if self.flagged:
            return True
        return False if any(f.drifted is not None for f in self.features) else None


@dataclass(frozen=True, slots=True)
class OtherValue:
    """A value of the column whose rows are no segment; None where the rows are not known."""

    value: str
    reference_rows: int | None
    current_rows: int


@dataclass(frozen=True, slots=True)
class BySegment:
    """The segments of a report, flagged ones first, larger ones before smaller.

    ``others`` are further values that the reference has, ``new`` those that it has not, each the
    most frequent ones first; ``left_out`` is how many more of both there are. ``missing`` are the
    rows of reference (None: not known) and current without a value. ``alpha`` is the level of the
    tests of all features in all segments together.
    """

    column: str
    segments: tuple[SegmentReport, ...]
    others: tuple[OtherValue, ...] = ()
    new: tuple[OtherValue, ...] = ()
    left_out: int = 0
    missing: tuple[int | None, int] = (None, 0)
    alpha: float = 0.005

    @property
    def drifted(self) -> bool:
        """Whether a feature is flagged in any of them."""
        return any(segment.drifted for segment in self.segments)

    @property
    def tests(self) -> dict[str, int]:
        """Count the features that were judged in a segment, and those that drifted there."""
        verdicts = [feature.drifted for each in self.segments for feature in each.features]
        known = [verdict for verdict in verdicts if verdict is not None]
        return {"tested": len(known), "flagged": sum(known)}

    def to_dict(self) -> dict[str, Any]:
        """Return everything but what charts are drawn of as plain values."""
        return {
            "column": self.column,
            "alpha": self.alpha,
            "drifted": self.drifted,
            "segments": [_plain(segment) for segment in self.segments],
            "others": [asdict(other) for other in self.others],
            "new": [asdict(other) for other in self.new],
            "left_out": self.left_out,
            "missing": list(self.missing),
        }


def _plain(segment: SegmentReport) -> dict[str, Any]:
    return {
        "value": segment.value,
        "reference_rows": segment.reference_rows,
        "current_rows": segment.current_rows,
        "drifted": segment.drifted,
        "reason": segment.reason,
        "features": [feature.to_dict(without=_DRAWN) for feature in segment.features],
    }
