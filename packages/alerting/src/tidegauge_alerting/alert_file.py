"""The alerts in force: the definitions of every installed package, and what a user's file changes.

A package brings its own by an entry point of the group ``tidegauge_alerts``: its value is
``package:file.yaml``, a file beside the package's modules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from tidegauge_alerting import alert_entries, channel_entries
from tidegauge_alerting.channels import Channel
from tidegauge_alerting.definitions import AlertDefinition, Severity, moved
from tidegauge_alerting.sections import AlertFileError, Section, nearest, opened

GROUP = "tidegauge_alerts"


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file of definitions, and how messages call it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class AlertFile:
    """The alerts that are on, those that are there and off, and where they are sent."""

    alerts: tuple[AlertDefinition, ...]
    off: tuple[AlertDefinition, ...] = ()
    channels: tuple[Channel, ...] = ()
    routes: Mapping[Severity, tuple[str, ...]] = field(default_factory=dict)

    def channels_of(self, definition: AlertDefinition) -> tuple[Channel, ...]:
        """Return where an alert is sent: its own channels, or those of its severity."""
        names = definition.channels or self.routes.get(definition.severity, ())
        return tuple(channel for channel in self.channels if channel.name in names)


def own_sources() -> Iterator[Source]:
    """Yield the definitions that come with this package, by the name of their file."""
    folder = files("tidegauge_alerting") / "definitions"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            yield Source(f"tidegauge_alerting/{file.name}", file.read_text("utf-8"))


def installed_sources() -> Iterator[Source]:
    """Yield the definitions of all packages: this one's, then the others' by their names.

    Raises
    ------
    AlertFileError
        A package names a file that it does not have.
    """
    yield from own_sources()
    for point in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        package, _, name = point.value.partition(":")
        shown = f"{package}/{name}"
        try:
            text = (files(package) / name).read_text("utf-8")
        except (OSError, ImportError, TypeError) as error:
            raise AlertFileError(
                f"entry point {point.name} of {GROUP}: got {point.value!r} ({error}); expected "
                "'package:file.yaml'. Correct it, or remove the package that has it."
            ) from error
        yield Source(shown, text)


def load(
    path: Path | None = None,
    *,
    enable: Collection[str] = (),
    sources: Iterable[Source] | None = None,
) -> AlertFile:
    """Return the alerts in force.

    Parameters
    ----------
    path
        A user's file. An entry whose name is one of the definitions' changes only what it says;
        ``enabled: false`` leaves it out, ``enabled: true`` takes one in that is off.
    enable
        Names of alerts to turn on that are off.
    sources
        The definitions to start from. By default those of all installed packages.

    Raises
    ------
    AlertFileError
        Something in a file cannot be used. Every entry is read, and each mistake has its line.
    """
    problems: list[str] = []
    raw: dict[str, _Entry] = {}
    for source in installed_sources() if sources is None else sources:
        head = _head(source)
        head.done()
        _collect(head, source.name, raw, problems, may_change=False)
    user = None
    if path is not None:
        user = _head(Source(str(path), _text(path)))
        _collect(user, str(path), raw, problems, may_change=True)
    on: list[AlertDefinition] = []
    off: list[AlertDefinition] = []
    for name, entry in raw.items():
        try:
            found = alert_entries.definition(entry.where, entry.raw)
        except AlertFileError as error:
            problems += error.problems
            continue
        is_on = entry.raw.get("enabled", True) or name in enable
        (on if is_on else off).append(found)
    problems += _unknown_inhibited(raw, [*on, *off])
    channels: tuple[Channel, ...] = ()
    routes: dict[Severity, tuple[str, ...]] = {}
    if user is not None:
        try:
            channels = channel_entries.channels(user.sections("channels"))
            routes = channel_entries.routes(user, channels)
            channel_entries.check_names(on, channels, {n: e.where for n, e in raw.items()})
            user.done()
        except AlertFileError as error:
            problems += error.problems
    if problems:
        raise AlertFileError(*problems)
    return AlertFile(tuple(on), tuple(off), channels, routes)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an alert's entry comes to, and where it was said last."""

    where: str
    raw: Mapping[str, Any]


def _head(source: Source) -> Section:
    head = opened(source.text, source.name)
    head.entries("alerts")
    return head


def _collect(
    head: Section, file: str, raw: dict[str, _Entry], problems: list[str], *, may_change: bool
) -> None:
    """Add the entries of a file to those that are there, and note what is wrong with them."""
    seen: set[str] = set()
    for number, each in enumerate(head.entries("alerts"), start=1):
        where = f"{file}, alert {number}"
        try:
            section = Section(where, each)
            name = section.text("name")
        except AlertFileError as error:
            problems += error.problems
            continue
        where = f"{where} ({name})"
        if name in seen or (name in raw and not may_change):
            before = "in this file" if name in seen else f"in {raw[name].where}"
            problems.append(
                f"{where}: got a name that is taken {before}; expected each name once. Rename it, "
                "or put both into one entry."
            )
            continue
        seen.add(name)
        if name in raw:
            raw[name] = _Entry(where, _changed(raw[name].raw, section.raw))
        elif may_change and "metric" not in section.raw:
            problems.append(
                f"{where}: got a name that no alert has; expected one of {', '.join(raw)}, or a "
                f"whole new alert. {nearest(name, list(raw))}"
            )
        else:
            raw[name] = _Entry(where, section.raw)


def _unknown_inhibited(
    raw: Mapping[str, _Entry], alerts: Iterable[AlertDefinition]
) -> Iterator[str]:
    for alert in alerts:
        for name in alert.inhibits:
            if name not in raw or name == alert.name:
                yield (
                    f"{raw[alert.name].where}, inhibits: got {name!r}; expected the names of other "
                    f"alerts. {nearest(name, list(raw))}"
                )


def _changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with another's keys; a measure or guard of the same kind is merged too."""
    found = {**base, **change}
    for key in ("measure", "guard"):
        old, new = base.get(key), change.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and list(old) == list(new):
            (kind,) = old
            if isinstance(old[kind], Mapping) and isinstance(new[kind], Mapping):
                found[key] = {kind: {**old[kind], **new[kind]}}
    if found.get("guard", "") is None:
        del found["guard"]
    if "severity" in change and "cooldown" not in change:
        found.pop("cooldown", None)
    if "recovery" not in change:
        threshold = _number(change.get("threshold"))
        before, recovery = _number(base.get("threshold")), _number(base.get("recovery"))
        if threshold is not None and before is not None and recovery is not None:
            found["recovery"] = moved(recovery, before, threshold)
    if "threshold" in change and "threshold_from" not in change:
        found["threshold_from"] = "Set in the file of alerts."
    return found


def _number(value: object) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if isinstance(value, int | float) and is_one else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise AlertFileError(
            f"{path}: cannot be read ({error.strerror}). Name a file of alerts, or leave it out "
            "for the definitions that come with the packages."
        ) from error
    except UnicodeDecodeError as error:
        raise AlertFileError(f"{path}: got bytes that are not UTF-8. Save it as UTF-8.") from error
