"""A feature in words: how far it has moved, since when, which bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift.classic import RULES
from tidegauge_drift.terminal_words import REASONS, cut, moment, percent, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_BARS = 6
_BAR = 12
_LABEL = 24
# A bin has moved if its share has changed by so much.
_MOVED = 0.01
# Rows that are worth less than this of their number are said to be.
_MOST_WORTH = 0.9
_CHECKS = {
    "missing": "missing values",
    "type_error": "values of another type",
    "out_of_range": "values out of the reference's range",
    "new_category": "categories that the reference does not have",
}


def lines(
    place: int, window: dict[str, Any], feature: dict[str, Any], now_s: float
) -> Iterator[str]:
    """Yield what a window says of a feature."""
    quality = feature["quality"]
    on = feature["detected"] or quality["detected"]
    times = [feature["since_s"], quality["since_s"]]
    since = min((each for each in times if each), default=None)
    head = f"{place}. {text(feature['feature'])} ({'output' if _is_output(feature) else 'input'})"
    yield cut(f"{head}: {'alarm' if on else text(feature['state'])}")
    numbers = _numbers(feature, ("KS", "ks"), ("PSI", "psi"))
    worth = feature["effective_rows"] or 0
    if 0 < worth < _MOST_WORTH * feature["rows"]:
        numbers.append(f"{feature['rows']} rows worth {worth:.0f}")
    if feature["reason"]:
        numbers.append(REASONS.get(feature["reason"], text(feature["reason"])))
    yield f"   {', '.join([*numbers, 'window ' + text(window['window'])])}"
    more = _numbers(feature, ("KL", "kl"), ("JS", "js"), ("Wasserstein", "wasserstein"))
    if more:
        yield f"   {', '.join(more)}"
    rules = [RULES[rule] for rule in feature.get("rules", []) if rule in RULES]
    if rules:
        yield f"   rules: {', '.join(rules)}"
    if since:
        yield f"   differs since {moment(since, now_s)} UTC"
    for check in quality["checks"]:
        if (check["effect"] or 0) >= 1 and (quality["detected"] or quality["flagged"]):
            name = _CHECKS.get(check["check"], text(check["check"]))
            yield f"   {name}: {percent(check['reference'])} -> {percent(check['now'])}"
    yield from _bins(feature.get("bins", []))
    yield ""


def _numbers(feature: dict[str, Any], *wanted: tuple[str, str]) -> list[str]:
    known = [(name, feature.get(key)) for name, key in wanted]
    return [f"{name} {value:.3g}" for name, value in known if value is not None]


def _is_output(feature: dict[str, Any]) -> bool:
    return bool(feature["family"] == "outputs")


def _bins(bins: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each bin that has moved, in the order of the bins."""
    moved = [b for b in bins if abs(b["now"] - b["reference"]) >= _MOVED]
    largest = sorted(moved, key=lambda b: -abs(b["now"] - b["reference"]))[:_BARS]
    if not largest:
        return
    top = max(max(b["now"], b["reference"]) for b in largest)
    yield f"   {'share of rows':<{_LABEL}} {'reference':>9} {'':{_BAR}} {'now':>9}"
    for b in bins:
        if b in largest:
            label = text(b["bin"])
            label = label if len(label) <= _LABEL else label[: _LABEL - 3] + "..."
            sides = (f"{percent(b[s]):>9} {_bar(b[s], top)}" for s in ("reference", "now"))
            yield f"   {label:<{_LABEL}} {' '.join(sides)}".rstrip()
    if len(moved) > len(largest):
        yield f"   {len(moved) - len(largest)} more that moved less"


def _bar(share: float, top: float) -> str:
    full = round(_BAR * share / top)
    return ("#" * (full or int(share > 0))).ljust(_BAR)
