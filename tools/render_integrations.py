"""Write docs/reference/integrations.md from integrations/*/pyproject.toml; ``--check`` compares."""

from __future__ import annotations

import sys

from integration_list import all_integrations
from pages import write_or_check

HEAD = """\
# Integrations

Generated from `integrations/*/pyproject.toml` by `tools/render_integrations.py`.

Each is a package of its own; `opentelemetry-instrument` and `configure()` find what is installed.
The tests run with both versions.
The newest is the one that there was when `tools/check_versions.py` ran last.

| library | package | oldest | newest tested | how to |
| --- | --- | --- | --- | --- |
"""


def render() -> str:
    """Return the page."""
    lines = []
    for each in all_integrations():
        # Of several that bring the same modules, those that were tested.
        tested = each.newest or list(each.oldest)[:1]
        for library, oldest in each.oldest.items():
            if library not in tested:
                continue
            lines.append(
                f"| {library} | `{each.package}` | {oldest} | {each.newest.get(library, '')} | "
                f"[{each.page.removesuffix('.md')}](../how-to/{each.page}) |"
            )
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check("integrations.md", render()))
