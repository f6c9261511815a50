"""The segments of a report as a section of its page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tidegauge_drift.report import segment_words
from tidegauge_drift.report.rows import HEAD, MARKS, row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegauge_drift.report.result import DriftReport
    from tidegauge_drift.report.segment_result import BySegment, SegmentReport

# Features without a flag that a segment shows: there can be thousands, and JSON has all.
_SHOWN = 10
# So many flagged segments are unfolded.
_OPEN = 3


def segments(report: DriftReport) -> str:
    """Return the section; empty where no segments were compared."""
    by = report.segments
    if by is None:
        return ""
    places = {feature.name: i for i, feature in enumerate(report.features)}
    column = escape(by.column)
    rows = "\n".join(_row(segment, i) for i, segment in enumerate(by.segments))
    notes = "".join(f"<li>{escape(note)}</li>" for note in segment_words.notes(by))
    return f"""<section id="segments" class="overview">
<div class="bar"><h2>By {column}: {escape(segment_words.headline(by))}</h2></div>
<div class="scroll" tabindex="0" role="region" aria-label="Segments">
<table>
<thead><tr><th scope="col">{column}</th><th scope="col" class="n">Reference</th>\
<th scope="col" class="n">Current</th><th scope="col">Verdict</th>\
<th scope="col">Features that differ, notes</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p class="hint">Each segment is compared with the reference's rows of it. All features of all \
segments are one family of tests, at a level of {by.alpha:g}.</p>
<ul class="notes">{notes}</ul>
</section>
{_details(by, places)}"""


def _row(segment: SegmentReport, i: int) -> str:
    name = escape(segment.value) or "(empty)"
    linked = f'<a href="#s{i}">{name}</a>' if segment.features else name
    return (
        f'<tr class="{_classes(segment)}"><th scope="row">{linked}</th>'
        f'<td class="n">{segment.reference_rows:,}</td><td class="n">{segment.current_rows:,}</td>'
        f"<td>{_badge(segment)}</td><td>{escape(segment_words.differing(segment))} "
        f'<span class="note">{escape(segment_words.brief(segment))}</span></td></tr>'
    )


def _classes(segment: SegmentReport) -> str:
    return {True: "flagged", False: "", None: "undecided"}[segment.drifted]


def _badge(segment: SegmentReport) -> str:
    tone = {True: "drifted", False: "clean", None: "none"}[segment.drifted]
    return (
        f'<span class="badge {tone}"><span aria-hidden="true">{MARKS[tone]}</span> '
        f"{segment_words.verdict(segment)}</span>"
    )


def _details(by: BySegment, places: Mapping[str, int]) -> str:
    found = "\n".join(
        _segment(by, segment, i, places)
        for i, segment in enumerate(by.segments)
        if segment.features
    )
    return f'<section aria-label="Every segment">\n{found}\n</section>'


def _segment(by: BySegment, segment: SegmentReport, i: int, places: Mapping[str, int]) -> str:
    shown = segment.features[: len(segment.flagged) + _SHOWN]
    rows = "\n".join(row(feature, places[feature.name], by.alpha) for feature in shown)
    more = len(segment.features) - len(shown)
    hint = f'<p class="hint">{more} more without a flag: JSON has them.</p>' if more else ""
    opened = " open" if segment.drifted and i < _OPEN else ""
    return f"""<details id="s{i}" class="segment {_classes(segment)}"{opened}>
<summary><h3>{escape(by.column)} = {escape(segment.value) or "(empty)"}</h3> \
<span class="family">{segment.current_rows:,} rows against {segment.reference_rows:,}</span> \
{_badge(segment)}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Features of a segment">
<table>
{HEAD}
<tbody>
{rows}
</tbody>
</table>
</div>{hint}
</details>"""
