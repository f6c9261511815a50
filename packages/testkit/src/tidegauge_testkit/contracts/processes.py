"""Runs a few lines in a Python of their own, in which some packages cannot be imported."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegauge_testkit.contracts.scenario import HooksScenario

_TIMEOUT_S = 180.0

# ``blocked`` may be changed by the program.
_HEAD = """
import importlib.util
import sys
blocked = {blocked!r}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith(tuple(blocked)):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Blocker())
def load_scenario():
    found = importlib.util.spec_from_file_location("scenario_file", {path!r})
    module = importlib.util.module_from_spec(found)
    sys.modules["scenario_file"] = module
    found.loader.exec_module(module)
    return module.{name}()
def say(what, value):
    print(f"{{what}}: {{value!r}}", flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What a program has said, line by line, and what went wrong."""

    lines: Mapping[str, str]
    error: str

    def __getitem__(self, what: str) -> str:
        """Return what was said of something; where nothing was, what the program died of."""
        if what not in self.lines:
            raise AssertionError(f"the program did not get to {what!r}:\n{self.error}")
        return self.lines[what]


def run(code: str, folder: Path, scenario: HooksScenario, blocked: Sequence[str] = ()) -> Said:
    """Run code in a fresh interpreter and return what it says.

    Parameters
    ----------
    code : str
        The program. ``load_scenario()`` returns the scenario, ``say(what, value)`` is for the test.
    folder : Path
        Its working directory.
    scenario : HooksScenario
        An object whose class the program can build anew.
    blocked : sequence of str
        Beginnings of the names of packages that cannot be imported, until the program clears the
        list ``blocked``.
    """
    kind = type(scenario)
    head = _HEAD.format(blocked=list(blocked), path=inspect.getfile(kind), name=kind.__name__)
    script = folder / "program.py"
    script.write_text(f"{head}\n{code}")
    # Old releases of the libraries deprecate one another, which is not what is tested.
    filters = ("error", "ignore::DeprecationWarning", *scenario.warnings)
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, on a test's own file
            [sys.executable, *(part for each in filters for part in ("-W", each)), script],
            cwd=folder,
            # A process that has had threads of OpenMP must not fork.
            env={**os.environ, **scenario.environ, "OMP_NUM_THREADS": "1"},  # noqa: TID251 - the rest is passed on
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"the program hung:\n{late.stdout!r}\n{late.stderr!r}") from None
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return Said(lines, done.stderr)
