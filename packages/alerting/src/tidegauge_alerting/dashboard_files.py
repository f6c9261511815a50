"""Reads the dashboards of all packages: YAML to ``panels``, every mistake by file and place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib import resources
from importlib.metadata import entry_points

from tidegauge_alerting import panel_entries
from tidegauge_alerting.panel_entries import line, short_name
from tidegauge_alerting.panels import Dashboard, Row
from tidegauge_alerting.sections import AlertFileError, Section, opened

#: The entry points that name a YAML file of a package.
GROUP = "tidegauge_dashboards"


class DashboardError(ValueError):
    """A file of dashboards says something that cannot be shown."""


def load_dashboards() -> tuple[Dashboard, ...]:
    """Return the dashboards of all installed packages, ours first.

    Raises
    ------
    DashboardError
        A file cannot be read, or says what cannot be shown; the message names the place.
    """
    own = resources.files("tidegauge_alerting") / "dashboards"
    texts = [
        (path.name, path.read_text("utf-8"))
        for path in sorted(own.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".yaml")
    ]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        name = f"{point.module}/{point.attr}"
        try:
            texts.append((name, (resources.files(point.module) / point.attr).read_text("utf-8")))
        except (OSError, ImportError) as error:
            raise DashboardError(
                f"entry point {point.name} of {GROUP}: got {point.value!r}, which cannot be read "
                f"({error}); expected package:file.yaml. Reinstall or remove that package."
            ) from error
    return read_dashboards(texts)


def read_dashboards(texts: Iterable[tuple[str, str]]) -> tuple[Dashboard, ...]:
    """Return the dashboards of some files, each a name and a text.

    Raises
    ------
    DashboardError
        A text is no YAML, or says what cannot be shown; the message names the place.
    """
    try:
        return _read(texts)
    except AlertFileError as error:
        raise DashboardError(str(error)) from error


def _read(texts: Iterable[tuple[str, str]]) -> tuple[Dashboard, ...]:
    found: dict[str, Dashboard] = {}
    more: list[tuple[Section, str, tuple[Row, ...]]] = []
    for file, text in texts:
        entry = opened(text, file)
        name = short_name(entry, "dashboard")
        rows = tuple(panel_entries.row(each) for each in entry.listed("rows"))
        if entry.has("title"):
            if name in found:
                raise entry.wrong(
                    "dashboard",
                    name,
                    f"a new name: {file} is the second with a title",
                    "Leave the title out to add rows to it.",
                )
            found[name] = Dashboard(
                name,
                line(entry, "title"),
                line(entry, "description"),
                rows,
                tuple(panel_entries.variable(each) for each in entry.listed("variables")),
                tuple(panel_entries.mark(each) for each in entry.listed("marks")),
            )
        else:
            more.append((entry, name, rows))
        entry.done()
    for entry, name, rows in more:
        if name not in found:
            others = ", ".join(found) or "there are none"
            raise entry.wrong(
                "dashboard", name, f"the name of another file's dashboard ({others})",
                "Correct it, or give a title for a new one.",
            )  # fmt: skip
        found[name] = replace(found[name], rows=(*found[name].rows, *rows))
    return tuple(found.values())
