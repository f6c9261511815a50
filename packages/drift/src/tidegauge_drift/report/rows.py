"""Features as rows of a table: verdict, distribution, effect, numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tidegauge_drift.report import charts, words

if TYPE_CHECKING:
    from tidegauge_drift.report.result import FeatureReport

_FULL = 10.0  # the effect that fills its bar
MARKS = {"drifted": "▲", "clean": "✓", "none": "○", "quality": "◆"}
LEGEND = (
    '<p class="legend"><span class="key ref">reference (filled)</span> '
    '<span class="key cur">current (line)</span></p>'
)
HEAD = (
    '<thead><tr><th scope="col">Feature</th><th scope="col">Verdict</th>'
    '<th scope="col" class="wide">Distribution</th><th scope="col">Effect</th>'
    '<th scope="col" class="n">p, corrected</th><th scope="col" class="n">PSI</th>'
    '<th scope="col" class="n">KS</th><th scope="col">Data quality, notes</th></tr></thead>'
)


def row(feature: FeatureReport, i: int, alpha: float) -> str:
    """Return a feature as a row that leads to its chapter, the ``i``-th."""
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
        f'<tr class="{classes(feature)}{" noisy" if noisy else ""}">'
        f'<th scope="row"><a href="#f{i}">{escape(feature.name) or "(no name)"}</a>{family}</th>'
        f'<td>{badge(feature)}</td><td class="wide">{small}</td>'
        f'<td class="size">{effect(feature)}</td>'
        f'<td class="n">{words.p_value(feature.adjusted_p_value)}</td>{numbers}'
        f'<td>{flags(feature)} <span class="note">{note}</span></td></tr>'
    )


def classes(feature: FeatureReport) -> str:
    """Return what the switch of the page tells features apart by."""
    found = ["flagged"] if feature.flagged else []
    return " ".join([*found, "undecided"] if feature.drifted is None else found)


def badge(feature: FeatureReport) -> str:
    """Return the verdict as a word and a mark."""
    tone = {True: "drifted", False: "clean", None: "none"}[feature.drifted]
    return (
        f'<span class="badge {tone}"><span aria-hidden="true">{MARKS[tone]}</span> '
        f"{words.verdict(feature)}</span>"
    )


def flags(feature: FeatureReport) -> str:
    """Return the shares that changed; empty if none did."""
    found = words.flags(feature)
    if not found:
        return ""
    mark = f'<span aria-hidden="true">{MARKS["quality"]}</span>'
    return f'<span class="badge quality">{mark} {escape(found)}</span>'


def effect(feature: FeatureReport) -> str:
    """Return the largest change as a bar, in units of its floor."""
    if not feature.effect_of:
        return words.NOTHING
    # On a scale of squares, so that the floor can be seen beside large effects.
    width = 100 * min(1.0, feature.effect / _FULL) ** 0.5
    return (
        f'<span class="effect{" over" if feature.drifted else ""}">'
        f'<i style="width:{width:.0f}%"></i></span> {words.multiple(feature.effect)}'
    )
