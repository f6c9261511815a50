"""Write docs/reference/settings.md from the settings' rows; ``--check`` only compares."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, cast

from tidegauge.settings import expected, rows
from tidegauge_distro.doctor.configuration import as_text
from tidegauge_distro.startup import setting_classes

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
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
TITLES = {
    "core": "Core (tidegauge)",
    "distro": "Start-up (tidegauge-distro)",
    "drift": "Drift (tidegauge-drift)",
    "exporter_prometheus": "Prometheus endpoint (tidegauge-exporter-prometheus)",
}


def render() -> str:
    """Return the page."""
    parts = [HEAD]
    for component, found in sorted(setting_classes().items()):
        defaults = {f.name: f.default for f in dataclasses.fields(cast("Any", found))}
        parts.append(f"## {TITLES.get(component, component)}\n")
        parts.append("| variable | takes | default | what it does |\n| --- | --- | --- | --- |")
        for name, row in rows(found).items():
            default = as_text(defaults[name])
            shown = "hidden" if row.secret else f"`{default}`" if default else "none"
            takes = expected(row, defaults[name])
            parts.append(f"| `{row.env}` | {_cell(takes)} | {shown} | {_cell(row.doc)} |")
        parts[-1] += "\n"
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    """Write the page, or compare it."""
    text = render()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text("utf-8") != text:
            print(f"{TARGET.name} is stale: python tools/render_settings.py")
            return 1
        return 0
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
