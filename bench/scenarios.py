"""The scenarios of the integrations' contracts, read from their folders: nothing to register here.

What an integration shows of its library for its contract is what is measured, too.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent


def files() -> list[Path]:
    """Return the modules that hold scenarios."""
    return sorted(ROOT.glob("integrations/*/tests/test_contract.py"))


def load(path: Path) -> ModuleType:
    """Import a module of tests by its path."""
    name = f"scenario_of_{path.parent.parent.name}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def of(module: ModuleType) -> Iterator[Any]:
    """Yield the scenarios that a module defines."""
    for kind in vars(module).values():
        if (
            isinstance(kind, type)
            and kind.__module__ == module.__name__
            and hasattr(kind, "plugin")
        ):
            yield kind()


def is_installed(library: str) -> bool:
    """Say whether a library can be imported."""
    return importlib.util.find_spec(library) is not None
