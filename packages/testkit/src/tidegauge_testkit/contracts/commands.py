"""Sub-commands of ``tidegauge`` as a user runs them, on a terminal that remembers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from typing import TypeVar

from tidegauge.command import Command

T = TypeVar("T")


class Recorder:
    """What a command has said, and how it ended.

    ``text`` is all of it but tables, in order; ``lines`` were for people, ``written`` may be piped.
    ``title`` and ``rows``, its heads first, are of the last table, ``tables`` are all by title.
    """

    def __init__(self) -> None:
        self.text = ""
        self.lines: list[str] = []
        self.written = ""
        self.title = ""
        self.rows: list[list[str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.tracked: list[tuple[str, float | None]] = []
        self.status: int | None = None

    def print(self, text: str = "") -> None:
        """Keep a line."""
        self.lines.append(text)
        self.text += f"{text}\n"

    def write(self, text: str) -> None:
        """Keep output."""
        self.written += text
        self.text += text

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Keep a table."""
        self.title = title
        self.rows = [list(columns), *(list(row) for row in rows)]
        self.tables[title] = self.rows

    def track(
        self, items: Iterable[T], description: str, total: float | None = None
    ) -> Iterable[T]:
        """Keep what is tracked."""
        assert total is None or total > 0
        self.tracked.append((description, total))
        return items


def run(name: str, *words: object) -> Recorder:
    """Run a sub-command as it is found by its entry point, on a command line's words."""
    (point,) = entry_points(group="tidegauge_command", name=name)
    command = point.load()
    assert isinstance(command, Command)
    assert command.example.startswith(f"tidegauge {name} ")
    parser = ArgumentParser()
    command.arguments(parser)
    recorder = Recorder()
    recorder.status = command.run(parser.parse_args([str(word) for word in words]), recorder)
    return recorder
