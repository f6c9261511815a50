"""Writes a generated page of the documentation, or says that it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def write_or_check(name: str, text: str) -> int:
    """Write ``docs/reference/NAME``; with ``--check`` only return 1 where it differs."""
    target = REFERENCE / name
    if "--check" in sys.argv[1:]:
        if target.read_text("utf-8") != text:
            print(f"{name} is stale: python tools/{Path(sys.argv[0]).name}")
            return 1
        return 0
    target.write_text(text, "utf-8")
    return 0
