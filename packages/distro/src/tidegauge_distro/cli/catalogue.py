"""The sub-commands that are installed, found by entry point and loaded only when needed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from tidegauge.command import Command

GROUP = "tidegauge_command"


@dataclass(frozen=True, slots=True)
class Broken:
    """A sub-command whose package could not be loaded."""

    name: str
    reason: str


class Catalogue:
    """Sub-commands by name; a name has one word or two."""

    def __init__(self, found: Sequence[EntryPoint] | None = None) -> None:
        points = entry_points(group=GROUP) if found is None else found
        self._points = {point.name: point for point in points}

    def names(self) -> list[str]:
        """Return all names in order."""
        return sorted(self._points)

    def match(self, words: Sequence[str]) -> tuple[str, Sequence[str]] | None:
        """Return the name at the head of the words, and the words after it."""
        for length in (2, 1):
            name = " ".join(words[:length])
            if len(words) >= length and name in self._points:
                return name, words[length:]
        return None

    def within(self, word: str) -> list[str]:
        """Return the names of two words that begin with this one."""
        return [name for name in self.names() if name.startswith(word + " ")]

    def nearest(self, words: Sequence[str]) -> str | None:
        """Return the name that was meant, or its first word, as far as one can tell."""
        if len(words) > 1:
            near = difflib.get_close_matches(" ".join(words[:2]), self.names(), n=1)
            if near:
                return near[0]
        heads = {name.split()[0] for name in self.names()}
        near = difflib.get_close_matches(words[0], sorted(heads), n=1)
        return near[0] if near else None

    def load(self, name: str) -> Command | Broken:
        """Load one sub-command; whatever its package raises is the reason why it is broken."""
        point = self._points[name]
        try:
            command = point.load()
        except Exception as error:
            return Broken(name, f"{point.value}: {type(error).__name__}: {error}")
        if not isinstance(command, Command):
            return Broken(name, f"{point.value}: is a {type(command).__name__}, not a Command")
        return command
