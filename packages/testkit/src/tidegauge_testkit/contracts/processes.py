"""Runs a few lines in a Python of their own, in which some packages cannot be imported."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_TIMEOUT_S = 120.0

_BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith({blocked!r}):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Blocker())
"""

_SCENARIO = """
import importlib.util
found = importlib.util.spec_from_file_location("scenario_file", {path!r})
module = importlib.util.module_from_spec(found)
found.loader.exec_module(module)
scenario = module.{name}()
"""


def run(
    code: str,
    folder: Path,
    *,
    scenario: object | None = None,
    blocked: Sequence[str] = (),
) -> str:
    """Run code in a fresh interpreter and return what it prints.

    Parameters
    ----------
    code : str
        The program. It may use ``scenario`` where one is given.
    folder : Path
        Its working directory.
    scenario : object, optional
        An object whose class the program shall have, built anew.
    blocked : sequence of str
        Beginnings of the names of packages that cannot be imported.
    """
    parts = []
    if blocked:
        parts.append(_BLOCK.format(blocked=tuple(blocked)))
    if scenario is not None:
        kind = type(scenario)
        parts.append(_SCENARIO.format(path=inspect.getfile(kind), name=kind.__name__))
    script = folder / "program.py"
    script.write_text("\n".join([*parts, code]))
    done = subprocess.run(  # noqa: S603 - this interpreter, on a test's own file
        # Old releases of the libraries deprecate one another, which is not what is tested.
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the program failed:\n{done.stderr}")
    return done.stdout
