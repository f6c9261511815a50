"""A status in words: plain text that fits into 80 columns of any terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift import feature_words, mark_words, warmup_words, window_words
from tidegauge_drift.built import seconds
from tidegauge_drift.classic import RULES
from tidegauge_drift.rivals import LIVE
from tidegauge_drift.terminal_words import WIDTH, cut, duration, moment, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_drift.status_files import Found

#: A file that was not touched for so long is of a service that has stopped, or cannot write.
OLD_S = 180.0
TOP = 5
_SCHEMA = {
    "other_inputs": "other ones, NOTHING IS COMPARED",
    "other_outputs": "other outputs, these are not compared",
    "missing_columns": "some are missing",
    "extra_columns": "some are not in the reference",
}


def explain(found: Found, now_s: float) -> Iterator[str]:
    """Yield the lines that say how a model's drift stands and why it alarms."""
    status = found.status
    judged = [window for window in status["windows"] if "closed_s" in window]
    head = f"{title(status)}: {_headline(status, judged, now_s)}"
    yield from [head] if len(head) <= WIDTH else head.replace("; ", ";\n  ").split("\n")
    yield from _old(found, now_s)
    if "warmup" in status:
        done_s = status["warmup"]["done_s"]
        done = moment(done_s, now_s) if done_s else ""
        yield from warmup_words.lines(status["warmup"], done, text(status.get("role", LIVE)))
    else:
        for window in status["windows"]:
            yield from window_words.lines(window, now_s)
        yield from mark_words.lines(status.get("marks", []), now_s)
        yield from _schema(status.get("schema", []), now_s)
        yield from _reference(status, now_s)
    if status.get("mode") == "classic":
        yield f"  mode       classic, window by window: {', '.join(RULES.values())}"
        yield "             These rules alarm on clean rows too."
    age = duration(now_s - found.touched_s)
    yield f"  status     {age} old, by process {status.get('pid')} on {text(status.get('host'))}"
    ranked = _top(judged)
    if ranked:
        yield ""
    for place, (window, feature) in enumerate(ranked[:TOP], 1):
        yield from feature_words.lines(place, window, feature, now_s)
    if len(ranked) > TOP:
        yield f"{len(ranked) - TOP} more: --json has all that the status lists."


def summary(found: Found, now_s: float) -> str:
    """Return a model's status in one line."""
    judged = [window for window in found.status["windows"] if "closed_s" in window]
    old = ", OLD STATUS" if now_s - found.touched_s > OLD_S else ""
    return f"{title(found.status)}: {_headline(found.status, judged, now_s)}{old}"


def title(status: dict[str, Any]) -> str:
    """Return a model's name and version."""
    return text(f"{status['model']} {status['version']}".rstrip())


def _headline(status: dict[str, Any], judged: list[dict[str, Any]], now_s: float) -> str:
    if "warmup" in status:
        return warmup_words.headline(status["warmup"])
    if not judged:
        return "not judged yet, no window has closed" + _uncompared(status)
    on = {
        family: state.get("since_s")
        for window in judged
        for family, state in window["families"].items()
        if state["detected"]
    }
    said = []
    if on:
        times = [since for since in on.values() if since]
        since = f" since {moment(min(times), now_s)} UTC" if times else ""
        said.append(f"ALARM{since} in {', '.join(sorted(on))}")
    lives = [window["live"] for window in judged if window.get("live")]
    beside = sorted({text(live["version"]) for live in lives if live["detected"]})
    if beside:
        said.append(f"ALARM against live {', '.join(beside)}".rstrip())
    if any(window["reference_mismatch"] for window in judged):
        said.append("REFERENCE MISMATCH")
    muted = mark_words.headline(status.get("marks", []))
    if muted:
        said = [*(said or ["no alarm"]), muted]
    return ("; ".join(said) or "no alarm") + _uncompared(status)


def _uncompared(status: dict[str, Any]) -> str:
    kinds = {found["kind"] for found in status.get("schema", [])}
    return "; OTHER COLUMNS" if "other_inputs" in kinds else ""


def _old(found: Found, now_s: float) -> Iterator[str]:
    age_s = now_s - found.touched_s
    if age_s > OLD_S:
        yield f"  This was {duration(age_s)} ago: a service that runs says so every minute. Look"
        yield "  whether it has stopped, and whether it can still write its status."


def _schema(found: list[dict[str, Any]], now_s: float) -> Iterator[str]:
    """Yield how columns differ: a line for what, and one for which."""
    for each in found:
        what = _SCHEMA.get(each["kind"], text(each["kind"]))
        yield f"  {'columns':<10} {what} since {moment(each['since_s'], now_s)} UTC"
        yield cut(f"{'':13}{', '.join(map(text, each['texts']))}")


def _reference(status: dict[str, Any], now_s: float) -> Iterator[str]:
    reference = status["reference"]
    built_s = seconds(str(reference["built"]))
    age = "" if built_s is None else f", {duration(now_s - built_s)} old"
    line = f"  reference  {text(reference['id'])}{age}, {reference['rows']} rows of "
    yield cut(line + text(reference["source"]))
    yield from warmup_words.learnt(reference["source"], text(status.get("role", LIVE)))


def _top(judged: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what alarms, or else what differs, each feature once, by effect."""
    pairs = [(window, feature) for window in judged for feature in window["features"]]
    chosen = [pair for pair in pairs if pair[1]["detected"] or pair[1]["quality"]["detected"]]
    if not chosen:
        different = ("suspected", "reference_mismatch")
        chosen = [p for p in pairs if p[1]["state"] in different or p[1]["quality"]["flagged"]]
    chosen.sort(key=lambda pair: -(pair[1]["effect"] or 0))
    once = {(p[1]["family"], p[1]["feature"]): p for p in reversed(chosen)}
    return sorted(once.values(), key=lambda pair: -(pair[1]["effect"] or 0))
