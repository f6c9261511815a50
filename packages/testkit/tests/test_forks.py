"""Work in a forked child comes back, and what goes wrong there is said."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    head = "import os, sys\nfrom tidegauge_testkit.forks import in_child\nparent = os.getpid()\n"
    return subprocess.run(
        [sys.executable, "-c", head + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_answer_comes_back() -> None:
    """From another process, and without Tidegauge in it."""
    done = run('print(in_child(lambda: [os.getpid() != parent, "tidegauge" in sys.modules]))')
    assert ("[True, False]\n", "") == (done.stdout, done.stderr)


def test_a_fault_is_seen() -> None:
    """The child ends there; the parent says so and goes on."""
    done = run("print(in_child(lambda: 1 / 0)); print(os.getpid() == parent)")
    assert "no answer, status 0\nTrue\n" == done.stdout
    assert "ZeroDivisionError" in done.stderr
