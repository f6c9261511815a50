"""A mapping of a file, read key by key: every refusal says where, what and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MARK = "<no value>"
_LARGEST = 1e300
_VERSION = 1


class AlertFileError(Exception):
    """A file of alerts or dashboards that cannot be used: a line a mistake, with what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Section:
    """One mapping. What is in it and nobody has asked for is unknown, and refused by ``done``."""

    def __init__(self, where: str, raw: object) -> None:
        if not isinstance(raw, Mapping):
            raise AlertFileError(
                f"{where}: got {shortened(raw)}; expected keys with values. "
                "Write 'key: value', one a line, indented alike."
            )
        wrong = next((key for key in raw if not isinstance(key, str)), None)
        if wrong is not None:
            raise AlertFileError(
                f"{where}: got the key {shortened(wrong)}; expected a text. Quote it."
            )
        self.where = where
        self.raw: Mapping[str, Any] = raw
        self._asked: set[str] = set()

    def has(self, key: str) -> bool:
        """Say whether a key is there."""
        return key in self.raw

    def value(self, key: str, expected: str) -> object:
        """Return a value that has to be there."""
        self._asked.add(key)
        if key not in self.raw:
            raise AlertFileError(
                f"{self.where}: got no {key}; expected {expected}. Add it, or correct its name: "
                f"there is {', '.join(self.raw) or 'nothing'}."
            )
        return self.raw[key]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; the default where there is none."""
        found = self._found(key, "a text", default)
        if not isinstance(found, str) or (default is None and not found.strip()):
            raise self.wrong(key, found, "a text", "Write one, in quotes if it holds ': ' or '#'.")
        return found

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number; the default where there is none."""
        found = self._found(key, "a number", default)
        # True is an int, and an int beyond float64 is no number that anything compares with.
        a_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not isinstance(found, int | float) or not a_number or not abs(found) <= _LARGEST:
            raise self.wrong(
                key, found, "a number",
                "Write it without unit or quotes: 5 % is 0.05, half a second is 0.5.",
            )  # fmt: skip
        return float(found)

    def number_or_none(self, key: str) -> float | None:
        """Return a finite number, or none where there is none."""
        self._asked.add(key)
        return self.number(key) if self.has(key) else None

    def entries(self, key: str) -> list[object]:
        """Return a list of anything, empty where there is none."""
        self._asked.add(key)
        found = self.raw.get(key) or []
        if not isinstance(found, list):
            raise self.wrong(key, found, "a list", "Begin each entry with a dash: '- name: X'.")
        return found

    def listed(self, key: str) -> Iterator[Section]:
        """Yield the mappings in a list, called by their titles where they have one."""
        for number, each in enumerate(self.entries(key), start=1):
            title = each.get("title") if isinstance(each, Mapping) else None
            section = Section(f"{self.where}, {key} {title or number}", each)
            yield section
            section.done()

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        found = self._found(key, "true or false", default)
        if not isinstance(found, bool):
            raise self.wrong(key, found, "true or false", "Write one of them, without quotes.")
        return found

    def seconds(self, key: str, default: int | None = None) -> int:
        """Return a time such as ``5m`` in seconds."""
        expected = "a whole number and s, m, h or d"
        found = self._found(key, expected, _MARK if default is not None else None)
        if found == _MARK and default is not None:
            return default
        return self._seconds(key, found, expected)

    def times(self, key: str) -> tuple[int, ...]:
        """Return a list of times in seconds."""
        expected = "a list of times such as [1h, 1d]"
        found = self.value(key, expected)
        if not isinstance(found, list) or not found:
            raise self.wrong(key, found, expected, "Put them in brackets.")
        return tuple(self._seconds(key, each, "a whole number and s, m, h or d") for each in found)

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return a list of texts; one text is a list of one."""
        found = self._found(key, "a list of texts", default)
        if isinstance(found, str):
            found = [found]
        if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
            raise self.wrong(key, found, "a list of texts", "Put them in brackets: [one, two].")
        return tuple(found)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some texts."""
        found = self._found(key, f"one of {', '.join(choices)}", default)
        if found not in choices:
            raise self.wrong(
                key, found, f"one of {', '.join(choices)}", nearest(str(found), choices)
            )
        return str(found)

    def section(self, key: str, expected: str) -> Section:
        """Return a mapping in this one."""
        return Section(f"{self.where}, {key}", self.value(key, expected))

    def section_or_none(self, key: str) -> Section | None:
        """Return a mapping in this one, or none where there is none."""
        self._asked.add(key)
        return Section(f"{self.where}, {key}", self.raw[key]) if self.has(key) else None

    def sections(self, key: str) -> dict[str, Section]:
        """Return the mappings in a mapping; none where there is none."""
        found = self._found(key, "a mapping", {})
        inner = Section(f"{self.where}, {key}", found)
        return {
            name: Section(f"{self.where}, {key}, {name}", each) for name, each in inner.raw.items()
        }

    def done(self) -> None:
        """Refuse the keys that nobody has asked for."""
        for key in self.raw:
            if key not in self._asked:
                raise AlertFileError(
                    f"{self.where}: got the unknown key {key!r}; expected one of "
                    f"{', '.join(sorted(self._asked))}. {nearest(key, sorted(self._asked))}"
                )

    def wrong(self, key: str, found: object, expected: str, advice: str) -> AlertFileError:
        """Return the error about a value."""
        return AlertFileError(
            f"{self.where}, {key}: got {shortened(found)}; expected {expected}. {advice}"
        )

    def _found(self, key: str, expected: str, default: object) -> object:
        if key not in self.raw and default is not None:
            self._asked.add(key)
            return default
        return self.value(key, expected)

    def _seconds(self, key: str, found: object, expected: str) -> int:
        read = re.fullmatch(r"([1-9]\d{0,6})([smhd])", found) if isinstance(found, str) else None
        if read is None:
            raise self.wrong(key, found, expected, "For example: 30s, 5m, 4h or 1d.")
        return int(read[1]) * _UNITS[read[2]]


def nearest(name: str, known: Sequence[str]) -> str:
    """Return what to do about a name that is not known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else "Correct the name."


def shortened(value: object) -> str:
    """Return a value as a message shows it, at most a line of it."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."  # noqa: PLR2004 - a line


def opened(text: str, where: str) -> Section:
    """Return the mapping that a file of alerts or dashboards is; its version is one we know.

    Raises
    ------
    AlertFileError
        The text is no YAML, no mapping, or of another version.
    """
    head = Section(where, read(text, where))
    version = head.value("version", str(_VERSION))
    if version != _VERSION or isinstance(version, bool):
        raise head.wrong("version", version, str(_VERSION), "Write 'version: 1'.")
    return head


@lru_cache(maxsize=32)
def read(text: str, where: str) -> object:
    """Return what YAML text holds; a key that stands twice is refused, YAML itself takes the last.

    Nobody may change what is returned: the same text gives the same object.

    Raises
    ------
    AlertFileError
        The text is no YAML, or has a key twice; the message has the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise AlertFileError(
            f"{where}{at}: got text that is no YAML ({reason}); expected keys with "
            "values, 'version: 1' first. Correct that line: indentation, a missing colon or quote."
        ) from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str | int | float | bool | None):
            raise yaml.constructor.ConstructorError(
                None, None, "a key that is no text", key.start_mark
            )
        if name in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {name!r} stands twice", key.start_mark
            )
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
