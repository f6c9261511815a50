"""Where a backend's program is, or which package has it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# Program -> the Debian package that installs it.
_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-pushgateway": "prometheus-pushgateway",
    "victoria-metrics": "victoria-metrics",
    "vmalert": "victoria-metrics",
}
_ALL = "prometheus prometheus-alertmanager prometheus-pushgateway victoria-metrics"


class MissingProgramError(AssertionError):
    """A test needs a program that is not installed: the test fails, it is not skipped."""


def find(program: str) -> str:
    """Return the path of a program.

    Raises
    ------
    MissingProgramError
        It is not installed. The message says how to install it.
    """
    # Beside the interpreter too: its folder need not be on PATH.
    path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if path is not None:
        return path
    if program in _PACKAGES:
        raise MissingProgramError(
            f"{program}: not found on PATH; expected Debian's package {_PACKAGES[program]}. "
            f"apt-get install --no-install-recommends {_ALL}"
        )
    raise MissingProgramError(
        f"{program}: not found on PATH. Install it into the environment that runs the tests."
    )
