"""What an examination found: tables for people and programs, and the things to put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(slots=True)
class Report:
    """Sections in the order of the examination; a problem says what to do."""

    sections: list[Section] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Add a table; one without rows is left out."""
        if rows:
            self.sections.append(Section(title, columns, rows))

    def data(self) -> dict[str, object]:
        """Return the report for a program: one list of records a section."""
        return {
            "ok": not self.problems,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "sections": {
                section.title: [
                    dict(zip(section.columns, row, strict=True)) for row in section.rows
                ]
                for section in self.sections
            },
        }
