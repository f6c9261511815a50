"""Forks and imports in the background."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

PROGRAM = """
import json, os, signal, sys, threading, time
sys.path.insert(0, {folder!r})
from tidegauge import late_import as late
started = threading.Event()
def background():
    with late.late_import():
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
with late.late_import():
    pass
print(answer, took < 10)
"""


@pytest.fixture
def run(tmp_path: Path, python: Callable[..., Any]) -> Callable[..., str]:
    """Fork in the middle of an import in the background; return what the program prints."""

    def run_program(*, seconds: float, child: str, before: str = "") -> str:
        (tmp_path / "slow_module.py").write_text(f"import time\ntime.sleep({seconds})\nvalue = 1\n")
        done = python(PROGRAM.format(folder=str(tmp_path), child=child, before=before))
        assert ("", 0) == (done.stderr, done.returncode)
        return str(done.stdout).strip()

    return run_program


def test_a_child_can_import_what_the_parent_was_importing(run: Callable[..., str]) -> None:
    """The fork waited for it: no lock of a module is left held."""
    assert "done True" == run(seconds=0.3, child="import slow_module; assert slow_module.value")


def test_a_fork_does_not_wait_for_ever(run: Callable[..., str]) -> None:
    """An import that hangs costs a moment, and the child still has a lock of its own."""
    assert "done True" == run(
        seconds=1.5,
        before="late._PATIENCE_S = 0.1",
        child="late.late_import().__enter__()",
    )
