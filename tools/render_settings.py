"""Write docs/reference/settings.md from the settings' rows; ``--check`` only compares."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, cast

from pages import write_or_check
from tidegauge.settings import expected, rows
from tidegauge_distro.doctor.configuration import as_text
from tidegauge_distro.startup import setting_classes

HEAD = """\
# Settings

Generated from the rows in each package's `settings.py` by `tools/render_settings.py`.

A setting is read once, at the start: argument, then environment, then default.
An empty variable counts as unset.
A wrong value raises `SettingError` from `configure()`.
Without code it is one ERROR line: the component is off or uses its default, and the service starts.
An unknown `TIDEGAUGE_*` gives one warning with the nearest name.
`tidegauge doctor` shows what is in force.
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD]
    for component, found in sorted(setting_classes().items()):
        defaults = {f.name: f.default for f in dataclasses.fields(cast("Any", found))}
        package = "tidegauge" if component == "core" else f"tidegauge-{component}"
        parts.append(f"## {package.replace('_', '-')}\n")
        parts.append("| variable | takes | default | what it does |\n| --- | --- | --- | --- |")
        for name, row in rows(found).items():
            default = as_text(defaults[name])
            shown = "none" if not default else "hidden" if row.secret else f"`{default}`"
            takes = expected(row, defaults[name])
            parts.append(f"| `{row.env}` | {_cell(takes)} | {shown} | {_cell(row.doc)} |")
        parts[-1] += "\n"
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(write_or_check("settings.md", render()))
