"""Which features take part, and how their categories are kept: the same for drift and profiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tidegauge.settings import setting


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a text with commas between, blank ones left out."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def chosen(name: str, include: Iterable[str], exclude: Iterable[str]) -> bool:
    """Tell whether globs let a feature take part; no ``include`` lets all."""
    include = tuple(include)
    wanted = not include or any(fnmatchcase(name, glob) for glob in include)
    return wanted and not any(fnmatchcase(name, glob) for glob in exclude)


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """The rows that the settings of drift and of profiles have in common."""

    include: tuple[str, ...] = setting(
        "TIDEGAUGE_FEATURES_INCLUDE",
        (),
        "Features that take part in drift and in profiles (globs, with commas between); all by "
        "default.",
        parse=listed,
        expected="globs with commas between",
    )
    exclude: tuple[str, ...] = setting(
        "TIDEGAUGE_FEATURES_EXCLUDE",
        (),
        "Features that take no part in drift and in profiles (globs, with commas between).",
        parse=listed,
        expected="globs with commas between",
    )
    hash_categories: bool = setting(
        "TIDEGAUGE_HASH_CATEGORIES",
        False,
        "Whether reference files and profiles hold hashes instead of the texts of categories.",
    )

    def takes(self, name: str) -> bool:
        """Say whether the globs let a feature take part."""
        return chosen(name, self.include, self.exclude)
