"""Tables that scripts put into pages of the docs, each between its two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_END = "<!-- end -->"


def has_mark(page: Path, name: str) -> bool:
    """Tell whether a page has a place for a table."""
    return _mark(name) in page.read_text("utf-8")


def put(page: Path, name: str, lines: Sequence[str]) -> None:
    """Write a table in place of the one that a page has; ValueError where it has no place."""
    before, rest = page.read_text("utf-8").split(_mark(name), 1)
    _, after = rest.split(_END, 1)
    made = "\n".join(lines)
    page.write_text(f"{before}{_mark(name)}{made}\n{_END}{after}", "utf-8")


def _mark(name: str) -> str:
    return f"<!-- made: {name} -->\n"
