"""The report as one page of HTML: it reads nothing else, runs nothing, and sends nothing."""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from tidegauge_drift.report import words
from tidegauge_drift.report.chapter import chapter, statistic_rows
from tidegauge_drift.report.result import FORMAT
from tidegauge_drift.report.rows import HEAD, LEGEND, MARKS, row
from tidegauge_drift.report.segment_page import segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.report.result import DriftReport

# What HTML cannot hold, or no encoding can: names may have anything.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def page(report: DriftReport) -> str:
    """Return the report as HTML."""
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    title = f"Drift: {report.current.source} against {report.reference.source}"
    features = "\n".join(chapter(f, i, report.alpha) for i, f in enumerate(report.features))
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="tidegauge drift report, format {FORMAT}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#features">To the features</a>
{_header(report)}
<main>
{_overview(report)}
{segments(report)}
{_multivariate(report)}
<section class="features" aria-label="Every feature">
{features}
</section>
</main>
{_footer(report)}
</body>
</html>
"""
    return _UNPRINTABLE.sub("\ufffd", html)


def _header(report: DriftReport) -> str:
    counts = report.summary
    tone = "drifted" if report.drifted else "clean"
    if not counts["drifted"] + counts["not_drifted"]:
        tone = "none"
    tiles = [
        ("drifted", "drifted", counts["drifted"]),
        ("quality", "data quality changed", counts["quality_flagged"]),
        ("clean", "no drift", counts["not_drifted"]),
        ("none", "no verdict", counts["undecided"]),
    ]
    if report.segments is not None:
        differ = sum(bool(segment.drifted) for segment in report.segments.segments)
        tiles.append(("drifted", "segments drifted", differ))
    tiled = "".join(
        f'<li class="{css if number else "zero"}"><b>{number}</b> <span>{text}</span></li>'
        for css, text, number in tiles
    )
    sides = (
        f"<b>{escape(report.current.source)}</b>, {report.current.rows:,} rows, against "
        f"<b>{escape(report.reference.source)}</b>, {report.reference.rows:,} rows"
    )
    if report.reference.profile:
        sides += f" (reference profile {escape(report.reference.profile)})"
    return f"""<header>
<p class="brand">Tidegauge <span>drift report</span></p>
<h1 class="{tone}"><span class="mark" aria-hidden="true">{MARKS[tone]}</span> \
{escape(words.headline(report))}</h1>
<p class="sides">{sides}</p>
<ul class="tiles">{tiled}</ul>
{_notes(report)}
</header>"""


def _notes(report: DriftReport) -> str:
    notes = []
    if report.missing:
        notes.append(f"Current does not have: {_names(report.missing)}.")
    if report.additional:
        notes.append(f"Not in the reference, so not compared: {_names(report.additional)}.")
    notes += [escape(note) for note in words.notes(report)]
    return '<ul class="notes">' + "".join(f"<li>{note}</li>" for note in notes) + "</ul>"


def _names(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(f"<b>{escape(name)}</b>" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _overview(report: DriftReport) -> str:
    families = "; ".join(
        f"{words.FAMILIES[name].lower()} {found['flagged']} of {found['tested']}"
        for name, found in report.families.items()
    )
    rows = "\n".join(row(feature, i, report.alpha) for i, feature in enumerate(report.features))
    return f"""<section id="features" class="overview">
<div class="bar">
<h2>Features, by effect</h2>
<fieldset><legend>Show</legend>
<label><input type="radio" name="show" id="show-all" checked> all</label>
<label><input type="radio" name="show" id="show-flagged"> flagged</label>
<label><input type="radio" name="show" id="show-none"> without a verdict</label>
</fieldset>
{LEGEND}
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Features, by effect">
<table>
{HEAD}
<tbody>
{rows}
</tbody>
</table>
</div>
<p class="hint">Flagged of tested: {families or "nothing could be tested"}. An effect is in units \
of its floor: below 1 a change is too small to flag, however certain.</p>
</section>"""


def _multivariate(report: DriftReport) -> str:
    if not report.multivariate:
        return ""
    rows = statistic_rows(report.multivariate)
    missing = "".join(
        f"<li>{escape(words.STATISTICS.get(name, name))}: {escape(s.reason)}</li>"
        for name, s in report.multivariate.items()
        if s.value is None
    )
    return (
        '<section class="together"><h2>All numeric features together</h2>'
        f'<table class="pairs">{rows}</table><ul class="notes">{missing}</ul></section>'
    )


def _footer(report: DriftReport) -> str:
    return (
        f"<footer><p>Made by Tidegauge{f' on {escape(report.created)}' if report.created else ''}. "
        f"A feature is flagged when its p-value, corrected for the number of tests of its family, "
        f"is at most {report.alpha:g} <em>and</em> the change is above its floor: KS or a share by "
        "0.05, PSI by 0.02, or Cohen's h by 0.08. Fewer than 30 rows get no verdict.</p></footer>"
    )
