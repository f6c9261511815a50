"""Forks and imports in the background."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tidegauge.late_import import late_import

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

PROGRAM = """
import json, os, signal, sys, threading, time
sys.path.insert(0, {folder!r})
from tidegauge import late_import as late
started = threading.Event()
def background():
    with late.late_import(slow={slow}):
        started.set()
        import slow_module
thread = threading.Thread(target=background)
thread.start()
started.wait()
{before}
ours, theirs = os.pipe()
began = time.monotonic()
pid = os.fork()
took = time.monotonic() - began
if pid == 0:
    signal.alarm(15)
    try:
        {child}
        os.write(theirs, b"done")
    finally:
        os._exit(0)
os.close(theirs)
answer = os.read(ours, 100).decode()
os.waitpid(pid, 0)
thread.join()
for slow in (False, True):
    with late.late_import(slow=slow):
        pass
print(answer, took < 10)
"""


@pytest.fixture
def run(tmp_path: Path, python: Callable[..., Any]) -> Callable[..., str]:
    """Fork in the middle of an import in the background; return what the program prints."""

    def run_program(*, seconds: float, child: str, before: str = "", slow: bool = False) -> str:
        (tmp_path / "slow_module.py").write_text(f"import time\ntime.sleep({seconds})\nvalue = 1\n")
        done = python(PROGRAM.format(folder=str(tmp_path), child=child, before=before, slow=slow))
        assert ("", 0) == (done.stderr, done.returncode)
        return str(done.stdout).strip()

    return run_program


@pytest.mark.parametrize("slow", [False, True])
def test_a_child_can_import_what_the_parent_was_importing(
    run: Callable[..., str], slow: bool
) -> None:
    """The fork waited for it: no lock of a module is left held."""
    child = "import slow_module; assert slow_module.value"
    assert "done True" == run(seconds=0.3, child=child, slow=slow)


@pytest.mark.parametrize("slow", [False, True])
def test_a_fork_does_not_wait_for_ever(run: Callable[..., str], slow: bool) -> None:
    """An import that hangs costs a moment, and the child still has locks of its own."""
    assert "done True" == run(
        seconds=1.5,
        before="late._PATIENCE_S = 0.1",
        child="[late.late_import(slow=each).__enter__() for each in (True, False)]",
        slow=slow,
    )


def test_what_is_quick_does_not_wait_for_what_is_slow() -> None:
    """A scrape may need the one while the other takes seconds."""
    with late_import(slow=True):
        quick = threading.Thread(target=_import_something, daemon=True)
        quick.start()
        quick.join(60.0)
        assert not quick.is_alive()


def _import_something() -> None:
    with late_import():
        pass
