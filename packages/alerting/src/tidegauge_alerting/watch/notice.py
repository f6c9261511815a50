"""A notice: what one message says of the alerts of one name and one model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.watch.alerts import Active
from tidegauge_alerting.watch.vector import Labels, keep
from tidegauge_alerting.watch.words import filled, one_line

# A label's value comes from the data of whoever runs the model.
_LONGEST_VALUE = 200
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """One alert in a notice; ``ends_s`` is None while it fires. All texts are on one line."""

    labels: Mapping[str, str]
    starts_s: float
    ends_s: float | None
    summary: str
    description: str
    first_steps: str = ""
    runbook_url: str = ""

    @property
    def fires(self) -> bool:
        """Whether it has not ended."""
        return self.ends_s is None


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be said of one group at a time: all that fire in it, and what has ended."""

    name: str
    group: Mapping[str, str]
    severity: Severity
    at_s: float
    items: tuple[Item, ...]

    @property
    def fires(self) -> bool:
        """Whether any alert of it fires."""
        return any(item.fires for item in self.items)

    @property
    def title(self) -> str:
        """One line that says what it is about."""
        first = next((item for item in self.items if item.fires), self.items[0])
        others = len([item for item in self.items if item.fires == first.fires]) - 1
        more = f" (and {others} more)" if others else ""
        state = self.severity.value.upper() if self.fires else "RESOLVED"
        return f"[{state}] {self.name}: {first.summary}{more}"

    @property
    def key(self) -> str:
        """What tells its group from all others; the same in each process."""
        text = "\0".join((self.name, *(f"{key}\0{self.group[key]}" for key in sorted(self.group))))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def after(self, earlier: Notice) -> Notice:
        """Return this notice with what an earlier one, never sent, has said of ends."""
        here = [item.labels for item in self.items]
        lost = [item for item in earlier.items if not item.fires and item.labels not in here]
        return dataclasses.replace(self, items=(*self.items, *lost))

    def without_ends(self) -> Notice | None:
        """Return the notice for those who do not want to hear of ends."""
        items = tuple(item for item in self.items if item.fires)
        return dataclasses.replace(self, items=items) if items else None


def item(definition: AlertDefinition, alert: Active, ends_s: float | None = None) -> Item:
    """Return what a notice says of an alert."""
    labels = clean(alert.labels)
    known = tuple(labels.items())

    def text(template: str) -> str:
        return one_line(filled(template, definition, known, alert.value), _LONGEST_TEXT)

    return Item(
        {"alertname": definition.name, "severity": definition.severity.value, **labels},
        alert.fires_s if alert.fires_s is not None else alert.since_s,
        ends_s,
        text(definition.summary),
        text(definition.description),
        text(definition.first_steps),
        definition.runbook_url.replace("{name}", definition.name),
    )


def clean(labels: Labels) -> dict[str, str]:
    """Return labels whose values are short and on one line; one of spaces alone is none."""
    lines = {key: one_line(value, _LONGEST_VALUE) for key, value in labels}
    return {key: value for key, value in lines.items() if value}


def group_of(labels: Labels) -> Labels:
    """Return what the alerts of one notice have in common: one page a model, not a feature."""
    return keep(labels, (a.MODEL_NAME,))


def to_json(notice: Notice) -> dict[str, Any]:
    """Return a notice as plain data."""
    return dataclasses.asdict(notice)


def from_json(found: Mapping[str, Any]) -> Notice:
    """Return a notice from plain data.

    Raises
    ------
    TypeError, ValueError, KeyError
        It is none.
    """
    items: Iterable[Mapping[str, Any]] = found["items"]
    return Notice(
        str(found["name"]),
        dict(found["group"]),
        Severity(found["severity"]),
        float(found["at_s"]),
        tuple(item_from_json(each) for each in items),
    )


def item_from_json(found: Mapping[str, Any]) -> Item:
    """Return an item from plain data."""
    ends_s = found["ends_s"]
    return Item(
        dict(found["labels"]),
        float(found["starts_s"]),
        None if ends_s is None else float(ends_s),
        *(str(found[key]) for key in ("summary", "description", "first_steps", "runbook_url")),
    )
