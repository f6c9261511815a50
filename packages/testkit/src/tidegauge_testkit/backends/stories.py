"""Alert rules told as stories: series go in, and at some minutes some alerts fire.

Promtool plays them in Prometheus's own rule engine.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegauge_testkit.backends.promtool import Promtool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Labels: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """One series, a sample a minute, in promtool's notation (``0+5x10``, ``_x5``, ``stale``)."""

    name: str
    values: str
    labels: Labels = field(default_factory=dict)

    def samples(self) -> list[float | None]:
        """Return the value at each minute: None where there is no sample, NaN where it ends."""
        found: list[float | None] = []
        for word in self.values.split():
            match = _WORD.fullmatch(word)
            if match is None:
                raise ValueError(f"values of {self.name}: got {word!r}; expected _, stale or 0+5x3")
            start, step, times = match["start"], float(match["step"] or 0), int(match["times"] or 0)
            if start == "_":
                found += [None] * (times or 1)
            elif start == "stale":
                found.append(math.nan)
            else:
                found += [float(start) + step * i for i in range(times + 1)]
        return found


# A start, and how often a step is added to it: promtool's own notation.
_WORD = re.compile(r"(?P<start>_|stale|-?[\d.]+)(?P<step>[+-][\d.]+)?(x(?P<times>\d+))?")


@dataclass(frozen=True, slots=True)
class Firing:
    """The label sets of all alerts that fire at a minute."""

    minute: int
    alerts: tuple[Labels, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """Series, and what one alert does at some minutes."""

    alert: str
    title: str
    series: tuple[Series, ...]
    firing: tuple[Firing, ...]

    def until_it_fires(self) -> Story:
        """Return the same story with its first minute of firing alone."""
        return replace(self, firing=(next(each for each in self.firing if each.alerts),))


def play(
    stories: Sequence[Story],
    groups: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    labels: Labels | None = None,
    texts: Labels | None = None,
) -> None:
    """Fail where an alert does anything but what its story says.

    Parameters
    ----------
    stories
        What happens.
    groups
        Rule groups as plain data.
    folder
        Where the files for promtool go.
    labels
        Labels that each alert has beside those in the story (its severity).
    texts
        The annotations of each alert, filled in. Without them the story is not about texts, and
        the rules are played without theirs: promtool would compare them.
    """
    if texts is None:
        groups = [{**group, "rules": _without_texts(group["rules"])} for group in groups]
    # JSON is YAML to promtool.
    (folder / "rules.yml").write_text(json.dumps({"groups": list(groups)}))
    tests = [
        {
            "name": story.title,
            "interval": "1m",
            "input_series": [
                {"series": series.name + _matchers(series.labels), "values": series.values}
                for series in story.series
            ],
            "alert_rule_test": [
                {
                    "eval_time": f"{firing.minute}m",
                    "alertname": story.alert,
                    "exp_alerts": [
                        {
                            "exp_labels": {**alert, **(labels or {})},
                            "exp_annotations": texts or {},
                        }
                        for alert in firing.alerts
                    ],
                }
                for firing in story.firing
            ],
        }
        for story in stories
    ]
    path = folder / "stories.yml"
    path.write_text(json.dumps({"rule_files": ["rules.yml"], "tests": tests}))
    Promtool().test_rules(path)


def _without_texts(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: rule[key] for key in rule if key != "annotations"} for rule in rules]


def _matchers(labels: Labels) -> str:
    return "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items()) + "}"
