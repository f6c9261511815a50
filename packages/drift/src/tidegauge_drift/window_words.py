"""A window in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift import segment_words
from tidegauge_drift.terminal_words import REASONS, WIDTH, cut, moment, percent, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTPUTS = 3
_INPUTS = 5


def lines(window: dict[str, Any], now_s: float) -> Iterator[str]:
    """Yield how a window stands."""
    label = f"  {'window':<10} {text(window['window'])}"
    if "closed_s" not in window:
        yield f"{label}: none has closed yet, {window['open_rows']} rows so far"
        return
    states = {state: n for state, n in window["states"].items() if n}
    told = ", ".join(f"{n} {text(state)}" for state, n in states.items())
    opened, closed = (moment(window[key], now_s) for key in ("opened_s", "closed_s"))
    bad = sum(each["quality"]["detected"] for each in window.get("features", ()))
    if bad:  # the states are of values alone
        told += f"; data quality alarms for {bad}"
    yield cut(f"{label}: {told}")
    yield f"{'':13}{window['rows']} rows, {_sampling(window)}"
    yield f"{'':13}{opened} to {closed} UTC"
    yield from _baseline(window.get("baseline"))
    if window.get("dependence") == "unknown":
        yield f"{'':13}How alike rows of one call are is unknown before 30 calls of"
        yield f"{'':13}several rows: until then nothing raises an alarm."
    yield from map(cut, segment_words.lines(window.get("segments"), text))
    yield from _versus(window.get("live"), now_s)
    yield from _correlation(window.get("correlation"), now_s)
    if window["reference_mismatch"]:
        yield f"{'':13}Half of the inputs or more differed in the first window: the"
        yield f"{'':13}reference is probably of other data, and input alarms are off."
        yield f"{'':13}Build it from rows as the model gets them now; if it is this"
        yield f"{'':13}version's own, look at what feeds the model."


def _baseline(baseline: dict[str, Any] | None) -> Iterator[str]:
    if baseline is None:
        return
    yield f"{'':13}compared with the same hours of the week before"
    if baseline["alarmed"]:
        share = percent(baseline["alarmed"])
        yield f"{'':13}That week had an alarm itself, at {share} of these rows' hours:"
        yield f"{'':13}what had changed by then counts as usual here."


def _versus(live: dict[str, Any] | None, now_s: float) -> Iterator[str]:
    """Yield how a canary or shadow compares with the live version."""
    if live is None:
        return
    version = f"live {text(live['version'])}".rstrip()
    if not live["rows"]:
        yield cut(f"{'':13}against {version}: no rows of it on this reference")
        return
    since = f" since {moment(live['since_s'], now_s)} UTC" if live["since_s"] else ""
    said = f"outputs ALARM{since}" if live["detected"] else "outputs no alarm"
    yield cut(f"{'':13}against {version}, {live['rows']} rows: {said}")
    for output in live["outputs"][:_OUTPUTS]:
        numbers = [
            f"{name} {output[key]:.3g}"
            for name, key in (("KS", "ks"), ("PSI", "psi"))
            if output[key] is not None
        ]
        if output["reason"]:
            numbers = [REASONS.get(output["reason"], text(output["reason"]))]
        told = ", ".join([text(output["state"]), *numbers])
        yield cut(f"{'':15}{text(output['output'])}: {told}")
    if live["inputs_differ"]:
        names = ", ".join(map(text, live["inputs_differ"][:_INPUTS]))
        yield cut(f"{'':13}inputs differ from {version}'s: {names}")
        yield f"{'':13}It gets other traffic, or prepares it otherwise: its outputs are"
        yield f"{'':13}not compared until that ends."


def _correlation(found: dict[str, Any] | None, now_s: float) -> Iterator[str]:
    """Yield which correlations of inputs have changed, if they are looked at."""
    if found is None:
        return
    since = f" since {moment(found['since_s'], now_s)} UTC" if found["since_s"] else ""
    said = f"ALARM{since}" if found["detected"] else "no alarm"
    yield f"{'':13}correlations of {found['judged']} of {found['of']} pairs: {said}"
    if found["drifting"]:
        yield cut(f"{'':15}{found['drifting']} not looked at: a feature of theirs differs itself")
    for pair in found["pairs"]:
        names = " ~ ".join(map(text, pair["features"]))
        sides = " -> ".join(
            "?" if pair[key] is None else f"{pair[key]:.2f}" for key in ("reference", "now")
        )
        room = WIDTH - 15 - len(sides) - 2
        names = names if len(names) <= room else names[: room - 3] + "..."
        yield f"{'':15}{names}: {sides}"


def _sampling(window: dict[str, Any]) -> str:
    low, high = window["kept_one_in"]
    if high <= 1:
        return "none thinned"
    return f"one in {high} kept" if low == high else f"one in {low} to {high} kept"
