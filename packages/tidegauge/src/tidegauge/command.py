"""A sub-command of ``tidegauge``, found by the entry point group ``tidegauge_command``.

The entry point's name is what the user types, one word or two (``reference build``).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


class Terminal(Protocol):
    """Where a command speaks: the same commands run in a terminal, a pipe and a test."""

    def print(self, text: str = "") -> None:
        """Write a line for people."""
        ...

    def write(self, text: str) -> None:
        """Write output that may be piped into a file, as it is."""
        ...

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show rows under a title."""
        ...

    def track(
        self, items: Iterable[T], description: str, total: float | None = None
    ) -> Iterable[T]:
        """Yield the items with a progress bar (on a terminal only)."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One sub-command; ``example`` is a real command line, shown by ``--help``.

    ``run`` returns the exit status. A ``CommandError`` ends it with one clear line and status 2.
    """

    summary: str
    example: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Terminal], int]


class CommandError(Exception):
    """Something that the user can put right; the message says how."""
