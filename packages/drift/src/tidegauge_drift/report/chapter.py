"""The chapter of one feature: both distributions, what each bin adds, statistics, both sides."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tidegauge_drift.report import charts, words
from tidegauge_drift.report.result import CATEGORICAL, NUMERIC
from tidegauge_drift.report.rows import LEGEND, badge, classes, flags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegauge_drift.report.result import FeatureReport, Statistic, Summary

# So many flagged features are unfolded: more would hide what comes after them.
_OPEN = 8
_SUMMARY = (
    ("rows", "Rows"), ("values", "With a value"), ("missing", "Missing"),
    ("infinite", "Infinite"), ("type_errors", "Wrong type"), ("mean", "Mean"), ("sd", "sd"),
    ("minimum", "Minimum"), ("quartile_1", "1st quartile"), ("median", "Median"),
    ("quartile_3", "3rd quartile"), ("maximum", "Maximum"), ("distinct", "Categories"),
)  # fmt: skip
_BARS = LEGEND.replace("(filled)", "(dashed)").replace("(line)", "(solid)")


def chapter(feature: FeatureReport, i: int, alpha: float) -> str:
    """Return what there is to say of a feature, folded unless it is flagged."""
    opened = " open" if feature.flagged and i < _OPEN else ""
    name = escape(feature.name) or "(no name)"
    quality = "".join(
        f"<li>{escape(words.quality(check))} ({words.with_p(check.adjusted_p_value)})</li>"
        for check in feature.quality
        if check.flagged
    )
    changed = f'<ul class="changed">{quality}</ul>' if quality else ""
    return f"""<details id="f{i}" class="{classes(feature)}"{opened}>
<summary><h3>{name}</h3> <span class="family">{feature.family}, {feature.kind}\
</span> {badge(feature)} {flags(feature)}</summary>
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
    title, legend = f"Distribution of {feature.name}", LEGEND
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
    rows = statistic_rows(feature.statistics)
    if not rows:
        return ""
    cells = any(statistic.from_cells for statistic in feature.statistics.values())
    note = '<p class="hint">From the cells of the reference profile.</p>' if cells else ""
    return f'<div><table class="pairs"><caption>Statistics</caption>{rows}</table>{note}</div>'


def statistic_rows(statistics: dict[str, Statistic]) -> str:
    """Return the rows of a table of statistics; those without a value are left out."""
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
