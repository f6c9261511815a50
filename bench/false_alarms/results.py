"""What was simulated so far: one line of JSON a model, so that a run can be stopped and go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: What a line is known by, where it has it.
KEY = ("table", "case", "rule", "shift", "model", "windows")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines that are there; a torn last one is left out."""
    found = []
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def complete(
    path: Path,
    wanted: Iterable[tuple[dict[str, Any], Callable[[], dict[str, Any]]]],
    label: str,
) -> None:
    """Compute what is not there yet and write it line by line.

    Each of ``wanted`` is what a line is known by, and what computes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = {_key(line, line) for line in read(path)}
    tasks = [compute for key, compute in wanted if _key(key, key) not in seen]
    _mend(path)
    with path.open("a", encoding="utf-8") as out, Progress() as progress:
        for compute in progress.track(tasks, description=label):
            out.write(json.dumps(compute()) + "\n")
            out.flush()


def _mend(path: Path) -> None:
    """End a torn last line, so that the next one is whole."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as out:
            out.write("\n")


def _key(line: dict[str, Any], names: Iterable[str]) -> str:
    return json.dumps([line.get(name) for name in KEY if name in names])
