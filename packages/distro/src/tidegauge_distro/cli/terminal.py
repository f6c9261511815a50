"""Where commands speak: a terminal with colours and progress, or plain text in a pipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

# Names and categories come from data. A terminal would obey control characters, show the marks of
# direction as another order, and take no half of a surrogate pair at all.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """Return text that a terminal shows and does not obey; lines and tabs stay."""
    return _OBEYED.sub("?", text)


def _cell(text: str) -> str:
    return shown(text).replace("\n", " ")


class RichTerminal:
    """The terminal of the ``tidegauge`` command; rich obeys ``NO_COLOR`` by itself."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        # Progress is no output: it must not end up in a file.
        self.progress_console = Console(stderr=True, highlight=False)

    @property
    def interactive(self) -> bool:
        """Whether a person watches the output."""
        return self.console.is_terminal

    def print(self, text: str = "") -> None:
        """Write a line for people."""
        self.console.print(Text(shown(text)), soft_wrap=True)

    def write(self, text: str) -> None:
        """Write output that may be piped into a file, as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show rows under a title; in a pipe as aligned columns, one row a line."""
        if not self.interactive:
            self.write(plain_table(title, columns, rows))
            return
        table = Table(title=Text(_cell(title)), title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(Text(_cell(column)), overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(cell)) for cell in row))
        self.console.print(table)

    def track(
        self, items: Iterable[T], description: str, total: float | None = None
    ) -> Iterable[T]:
        """Yield the items with a progress bar (on a terminal only)."""
        if not self.progress_console.is_terminal:
            yield from items
            return
        if total is None and isinstance(items, Sized):
            total = len(items)
        with progress_bar(self.progress_console) as progress:
            yield from progress.track(items, total=total, description=_cell(description))


def progress_bar(console: Console) -> Progress:
    """Return a progress bar that leaves the screen when it is done."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def plain_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as text: the title, the columns' names, one row a line."""
    lines = [tuple(map(_cell, row)) for row in (columns, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    body = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return f"{_cell(title)}\n{body}\n"
