"""The report as one page of HTML: it reads nothing else, runs nothing, and sends nothing."""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from tidegauge_drift.report import charts, words
from tidegauge_drift.report.result import CATEGORICAL, FORMAT, NUMERIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegauge_drift.report.result import DriftReport, FeatureReport, Statistic, Summary

# So many flagged features are unfolded: more would hide what comes after them.
_OPEN = 8
# What HTML cannot hold, or no encoding can: names may have anything.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FULL = 10.0  # the effect that fills its bar
_MARKS = {"drifted": "▲", "clean": "✓", "none": "○", "quality": "◆"}
_SUMMARY = (
    ("rows", "Rows"), ("values", "With a value"), ("missing", "Missing"),
    ("infinite", "Infinite"), ("type_errors", "Wrong type"), ("mean", "Mean"), ("sd", "sd"),
    ("minimum", "Minimum"), ("quartile_1", "1st quartile"), ("median", "Median"),
    ("quartile_3", "3rd quartile"), ("maximum", "Maximum"), ("distinct", "Categories"),
)  # fmt: skip


def page(report: DriftReport) -> str:
    """Return the report as HTML."""
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    title = f"Drift: {report.current.source} against {report.reference.source}"
    features = "\n".join(_feature(f, i, report.alpha) for i, f in enumerate(report.features))
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
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
    tiles = (
        ("drifted", "drifted", counts["drifted"]),
        ("quality", "data quality changed", counts["quality_flagged"]),
        ("clean", "no drift", counts["not_drifted"]),
        ("none", "no verdict", counts["undecided"]),
    )
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
<h1 class="{tone}"><span class="mark" aria-hidden="true">{_MARKS[tone]}</span> \
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
    rows = "\n".join(_row(feature, i, report.alpha) for i, feature in enumerate(report.features))
    return f"""<section id="features" class="overview">
<div class="bar">
<h2>Features, by effect</h2>
<fieldset><legend>Show</legend>
<label><input type="radio" name="show" id="show-all" checked> all</label>
<label><input type="radio" name="show" id="show-flagged"> flagged</label>
<label><input type="radio" name="show" id="show-none"> without a verdict</label>
</fieldset>
{_LEGEND}
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Features, by effect">
<table>
<thead><tr><th scope="col">Feature</th><th scope="col">Verdict</th>\
<th scope="col" class="wide">Distribution</th><th scope="col">Effect</th>\
<th scope="col" class="n">p, corrected</th><th scope="col" class="n">PSI</th>\
<th scope="col" class="n">KS</th><th scope="col">Data quality, notes</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p class="hint">Flagged of tested: {families or "nothing could be tested"}. An effect is in units \
of its floor: below 1 a change is too small to flag, however certain.</p>
</section>"""


_LEGEND = (
    '<p class="legend"><span class="key ref">reference (filled)</span> '
    '<span class="key cur">current (line)</span></p>'
)
_BARS = _LEGEND.replace("(filled)", "(dashed)").replace("(line)", "(solid)")


def _row(feature: FeatureReport, i: int, alpha: float) -> str:
    small = ""
    if feature.histogram is not None:
        small = charts.spark(feature.histogram.reference, feature.histogram.current)
    elif feature.bins:
        small = charts.spark(*zip(*((b.reference, b.current) for b in feature.bins), strict=True))
    family = "" if feature.family == "inputs" else f' <span class="family">{feature.family}</span>'
    note = escape(words.brief(feature, alpha))
    # Measurable, but nothing that a verdict rests on.
    noisy = feature.low_power or feature.drifted is None
    values = [feature.statistics.get(name) for name in ("psi", "ks")]
    numbers = "".join(
        f'<td class="n">{words.number(s.value if s else None, 3)}</td>' for s in values
    )
    return (
        f'<tr class="{_classes(feature)}{" noisy" if noisy else ""}">'
        f'<th scope="row"><a href="#f{i}">{escape(feature.name) or "(no name)"}</a>{family}</th>'
        f'<td>{_badge(feature)}</td><td class="wide">{small}</td>'
        f'<td class="size">{_effect(feature)}</td>'
        f'<td class="n">{words.p_value(feature.adjusted_p_value)}</td>{numbers}'
        f'<td>{_flags(feature)} <span class="note">{note}</span></td></tr>'
    )


def _classes(feature: FeatureReport) -> str:
    found = ["flagged"] if feature.flagged else []
    return " ".join([*found, "undecided"] if feature.drifted is None else found)


def _badge(feature: FeatureReport) -> str:
    tone = {True: "drifted", False: "clean", None: "none"}[feature.drifted]
    return (
        f'<span class="badge {tone}"><span aria-hidden="true">{_MARKS[tone]}</span> '
        f"{words.verdict(feature)}</span>"
    )


def _flags(feature: FeatureReport) -> str:
    found = words.flags(feature)
    if not found:
        return ""
    mark = f'<span aria-hidden="true">{_MARKS["quality"]}</span>'
    return f'<span class="badge quality">{mark} {escape(found)}</span>'


def _effect(feature: FeatureReport) -> str:
    if not feature.effect_of:
        return words.NOTHING
    # On a scale of squares, so that the floor can be seen beside large effects.
    width = 100 * min(1.0, feature.effect / _FULL) ** 0.5
    return (
        f'<span class="effect{" over" if feature.drifted else ""}">'
        f'<i style="width:{width:.0f}%"></i></span> {words.multiple(feature.effect)}'
    )


def _feature(feature: FeatureReport, i: int, alpha: float) -> str:
    opened = " open" if feature.flagged and i < _OPEN else ""
    name = escape(feature.name) or "(no name)"
    quality = "".join(
        f"<li>{escape(words.quality(check))} ({words.with_p(check.adjusted_p_value)})</li>"
        for check in feature.quality
        if check.flagged
    )
    changed = f'<ul class="changed">{quality}</ul>' if quality else ""
    return f"""<details id="f{i}" class="{_classes(feature)}"{opened}>
<summary><h3>{name}</h3> <span class="family">{feature.family}, {feature.kind}\
</span> {_badge(feature)} {_flags(feature)}</summary>
<p class="why">{escape(words.explanation(feature, alpha))}</p>{changed}
<div class="grid">
{_figure(feature, i)}
{_bins(feature)}
{_statistics(feature)}
{_summaries(feature)}
</div>
</details>"""


def _figure(feature: FeatureReport, i: int) -> str:
    shown = feature.histogram
    medians = f"Median {words.number(feature.reference.median)} in the reference, "
    medians += f"{words.number(feature.current.median)} in current."
    title, legend = f"Distribution of {feature.name}", _LEGEND
    if shown is not None:
        svg = charts.overlay(shown, title, medians, str(i))
        beyond = [
            f"{side} {words.percent(below)} below and {words.percent(above)} above"
            for side, below, above in (
                ("reference", shown.below[0], shown.above[0]),
                ("current", shown.below[1], shown.above[1]),
            )
            if below or above
        ]
        caption = f"Beyond this range: {'; '.join(beyond)}." if beyond else ""
    elif feature.kind == CATEGORICAL and feature.bins:
        svg = charts.paired(feature.bins, title, "Shares as in the table of bins.", str(i))
        caption, legend = "", _BARS
    else:
        return ""
    return (
        f"<figure><figcaption>Distribution {legend}</figcaption>{svg}"
        f'<p class="hint">{caption}</p></figure>'
    )


def _bins(feature: FeatureReport) -> str:
    if not feature.bins:
        return ""
    most = max((b.psi for b in feature.bins), default=0) or 1
    end = ""
    if feature.kind == NUMERIC:
        end = ' <span class="family">a bin holds its lower end</span>'
    rows = "".join(
        f'<tr><th scope="row">{escape(b.label)}</th><td class="n">{words.percent(b.reference)}</td>'
        f'<td class="n">{words.percent(b.current)}</td><td class="n">{words.number(b.psi, 3)}</td>'
        f'<td class="meter" aria-hidden="true"><i style="width:{100 * b.psi / most:.0f}%"></i>'
        "</td></tr>"
        for b in feature.bins
    )
    return (
        '<table class="bins"><caption>What each bin adds to PSI'
        f"{end}</caption><thead><tr>"
        '<th scope="col">Bin</th><th scope="col" class="n">Reference</th>'
        '<th scope="col" class="n">Current</th><th scope="col" class="n">PSI</th><td></td></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _statistics(feature: FeatureReport) -> str:
    rows = _statistic_rows(feature.statistics)
    if not rows:
        return ""
    cells = any(statistic.from_cells for statistic in feature.statistics.values())
    note = '<p class="hint">From the cells of the reference profile.</p>' if cells else ""
    return f'<div><table class="pairs"><caption>Statistics</caption>{rows}</table>{note}</div>'


def _statistic_rows(statistics: dict[str, Statistic]) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(words.STATISTICS.get(name, name))}</th>'
        f'<td class="n">{words.number(s.value)}</td>'
        f"<td>{'' if s.p_value is None else words.with_p(s.p_value)}</td></tr>"
        for name, s in statistics.items()
        if s.value is not None
    )


def _summaries(feature: FeatureReport) -> str:
    rows = "".join(
        f'<tr><th scope="row">{label}</th><td class="n">{words.number(a)}</td>'
        f'<td class="n">{words.number(b)}</td></tr>'
        for label, a, b in _pairs(feature.reference, feature.current)
    )
    return (
        '<table class="pairs"><caption>Both sides</caption><thead><tr><td></td>'
        '<th scope="col" class="n">Reference</th><th scope="col" class="n">Current</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _pairs(reference: Summary, current: Summary) -> Iterable[tuple[str, float, float]]:
    """Return what is known of either side; of bad values only those that there are."""
    for name, label in _SUMMARY:
        a, b = getattr(reference, name), getattr(current, name)
        bad = name in ("infinite", "type_errors")
        if a or b or not (bad or a is b is None):
            yield label, a, b


def _multivariate(report: DriftReport) -> str:
    if not report.multivariate:
        return ""
    rows = _statistic_rows(report.multivariate)
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
