"""Whether whylogs is there, and what to do where it isn't. Nothing is imported for that."""

from __future__ import annotations

import importlib.util
import sys

INSTALL = "pip install 'tidegauge-exporter-whylabs[whylogs]'"
BUILD = "pip install 'whylogs>=1.6.4,<2'"
_FIRST_WITHOUT = (3, 13)


def missing(subject: str, python: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Return one message where whylogs is missing, empty where it is there."""
    if importlib.util.find_spec("whylogs") is not None:
        return ""
    if python >= _FIRST_WITHOUT:
        return (
            f"{subject} needs whylogs, which has no wheels for Python {python[0]}.{python[1]}; "
            f"expected Python 3.11 or 3.12. Use one of them, or build it with a C++ compiler: "
            f"{BUILD}"
        )
    return f"{subject} needs whylogs, which is not installed. {INSTALL}"
