"""Marks in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift.marks import BACKFILL, DEPLOY
from tidegauge_drift.terminal_words import cut, moment, text

if TYPE_CHECKING:
    from collections.abc import Iterator


def lines(marks: list[dict[str, Any]], now_s: float) -> Iterator[str]:
    """Yield what a model's status says of its marks."""
    for mark in marks:
        kind = "muted" if mark["kind"] not in (DEPLOY, BACKFILL) else mark["kind"]
        what = subject(mark)
        until = f"until {moment(mark['until_s'], now_s)} UTC"
        longer = " and while windows have its rows" if mark["kind"] == BACKFILL else ""
        yield cut(f"  {kind:<10} {what}{', ' if what else ''}{until}{longer}")
        if mark["reason"]:
            by = f" ({text(mark['by'])})" if mark["by"] else ""
            yield cut(f"{'':13}because: {text(mark['reason'])}{by}")


def subject(mark: dict[str, Any]) -> str:
    """Return what a mark is about, within its model."""
    if mark["kind"] == DEPLOY:
        return f"version {text(mark['version'])}" if mark["version"] else ""
    named = (
        ("version", mark["version"]),
        ("feature", mark["feature"]),
        ("window", mark["window"]),
    )
    return ", ".join(f"{name} {text(value)}" for name, value in named if value) or "all"


def headline(marks: list[dict[str, Any]]) -> str:
    """Return whether a model is muted, or something of it; empty where nothing is."""
    muted = [mark for mark in marks if mark["kind"] != DEPLOY]
    if not muted:
        return ""
    whole = any(not mark["feature"] + mark["window"] for mark in muted)
    return "MUTED" if whole else "partly MUTED"
