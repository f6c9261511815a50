"""Write docs/reference/settings.md from the settings' rows; ``--check`` only compares."""

from __future__ import annotations

import sys
from itertools import groupby
from operator import itemgetter

from pages import write_or_check
from tidegauge.settings import as_text, expected
from tidegauge_distro.startup import setting_rows

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
    for component, found in groupby(setting_rows(), key=itemgetter(0)):
        package = "tidegauge" if component == "core" else f"tidegauge-{component}"
        parts.append(f"## {package.replace('_', '-')}\n")
        parts.append("| variable | takes | default | what it does |\n| --- | --- | --- | --- |")
        for _, row, value in found:
            default = as_text(value)
            shown = "none" if not default else "hidden" if row.secret else f"`{default}`"
            takes = expected(row, value)
            parts.append(f"| `{row.env}` | {_cell(takes)} | {shown} | {_cell(row.doc)} |")
        parts[-1] += "\n"
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(write_or_check("settings.md", render()))
