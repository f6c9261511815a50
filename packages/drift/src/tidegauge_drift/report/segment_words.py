"""The segments of a report in words, for the page and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_drift.report import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.report.result import FeatureReport
    from tidegauge_drift.report.segment_result import BySegment, OtherValue, SegmentReport

# Features that are named of a segment, and values that are in none.
_FEATURES, _VALUES = 3, 20
_NO_VERDICT = "No verdict"


def headline(by: BySegment) -> str:
    """Say how many segments differ of those that could be judged."""
    judged = [each for each in by.segments if each.drifted is not None]
    if not judged:
        return "no segment could be judged"
    differ = sum(bool(each.drifted) for each in judged)
    of = f"{len(judged)} of {len(by.segments)}" if len(judged) < len(by.segments) else len(judged)
    if not differ:
        return f"no drift in {of} segments"
    return f"drift in {differ} of {len(by.segments)} segments"


def verdict(segment: SegmentReport) -> str:
    """Return the verdict in a few words."""
    if segment.drifted is None:
        return _NO_VERDICT
    return "Drifted" if segment.drifted else "No drift"


def differing(segment: SegmentReport) -> str:
    """Name the features that differ, with their effects or the shares that changed."""
    flagged = segment.flagged
    said = [_told(feature) for feature in flagged[:_FEATURES]]
    if len(flagged) > _FEATURES:
        said.append(f"{len(flagged) - _FEATURES} more")
    return "; ".join(said).replace("\u00a0", " ")


def _told(feature: FeatureReport) -> str:
    what = words.flags(feature)
    if feature.drifted:
        size = words.times_floor(feature)
        what = f"{size}, {what}" if what else size
    return f"{feature.name} ({what})"


def brief(segment: SegmentReport) -> str:
    """Say why there is no verdict, or how many features have none."""
    if segment.reason:
        return segment.reason
    none = [feature for feature in segment.features if feature.drifted is None]
    if not none:
        return "low power" if any(f.low_power for f in segment.features) else ""
    return f"{len(none)} without a verdict"


def notes(by: BySegment) -> list[str]:
    """Say which rows are in no segment."""
    said = []
    if by.new:
        said.append(f"Not in the reference: {_values(by.new)}.")
    if by.others:
        said.append(f"Not compared by themselves, as they are less frequent: {_values(by.others)}.")
    if by.left_out:
        said.append(f"{by.left_out} more values are not named.")
    before, now = by.missing
    if before or now:
        known = "" if before is None else f"{before:,} of the reference and "
        said.append(f"In no segment, because they have no value: {known}{now:,} rows of current.")
    return said


def _values(values: Sequence[OtherValue]) -> str:
    named = [f"{each.value} ({each.current_rows:,} rows)" for each in values[:_VALUES]]
    more = len(values) - _VALUES
    return ", ".join([*named, f"{more} more"] if more > 0 else named)
