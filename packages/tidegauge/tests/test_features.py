"""The same features take part in drift and in profiles."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tidegauge.features import FeatureSettings, chosen
from tidegauge.settings import load

NAMES = ["age", "amount", "id", "AGE"]


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), NAMES),
        (("a*",), (), ["age", "amount"]),
        ((), ("a*", "id"), ["AGE"]),
        (("a*", "id"), ("*e",), ["amount", "id"]),
        (("id?",), (), []),
    ],
)
def test_globs_choose(include: Sequence[str], exclude: Sequence[str], taken: list[str]) -> None:
    """What is left out wins over what is let in; upper and lower case are two."""
    assert taken == [name for name in NAMES if chosen(name, include, exclude)]


def test_they_are_read_from_the_environment() -> None:
    """Commas stand between globs, and blanks around them say nothing."""
    found = load(
        FeatureSettings,
        {
            "TIDEGAUGE_FEATURES_INCLUDE": " a*, ,id",
            "TIDEGAUGE_FEATURES_EXCLUDE": "age",
            "TIDEGAUGE_HASH_CATEGORIES": "true",
        },
    )
    assert FeatureSettings(("a*", "id"), ("age",), hash_categories=True) == found
    assert ["amount", "id"] == [name for name in NAMES if found.takes(name)]
