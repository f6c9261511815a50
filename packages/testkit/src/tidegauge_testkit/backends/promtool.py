"""Prometheus's own checker and rule tests."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tidegauge_testkit.backends.binaries import find

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT_S = 60.0


class Promtool:
    """``promtool``; what it refuses fails the test, with all that it says."""

    def __init__(self) -> None:
        self._program = find("promtool")

    def check_rules(self, path: Path) -> str:
        """Check a rule file and return what promtool says."""
        return self._run("check", "rules", path)

    def test_rules(self, path: Path) -> str:
        """Run a file of rule tests and return what promtool says."""
        return self._run("test", "rules", path)

    def _run(self, what: str, kind: str, path: Path) -> str:
        done = subprocess.run(  # noqa: S603 - a program found by name, on a test's own file
            [self._program, what, kind, path.name],
            cwd=path.parent,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode != 0:
            raise AssertionError(f"promtool {what} {kind} {path}:\n{said}")
        return said
