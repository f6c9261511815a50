"""SIGTERM and forks: no child outlives one that came before its first step."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system cannot make children wait"
)

# On one processor a child has seldom begun when its parent goes on. Who outlives its SIGTERM would
# be waited for without end: an alarm ends the program.
HEAD = """
import os, signal, threading, time
from tidegauge import leave
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
signal.alarm(100)
def ended(forks):
    ends = []
    for _ in range(forks):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(3)
        os.kill(pid, signal.SIGTERM)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return ends
"""
FORKS = 30

Run = Callable[[str], str]


@pytest.fixture
def run(python: Callable[..., Any]) -> Run:
    """Run code after the head; return what it prints."""

    def run_code(code: str) -> str:
        done = python(HEAD + code)
        assert ("", 0) == (done.stderr, done.returncode)
        return str(done.stdout).strip()

    return run_code


@pytest.mark.parametrize("thread", [False, True])
def test_no_child_outlives_its_sigterm(run: Run, thread: bool) -> None:
    """Whoever forks, and with our handler in place; what the parent may hear stays as it was."""
    fork = f"""
leave.install()
assert leave.handles_sigterm()
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
found = []
def work():
    found.extend(ended({FORKS}))
if {thread}:
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
else:
    work()
assert mask == signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(set(found), len(found))
"""
    assert f"{{{-signal.SIGTERM}}} {FORKS}" == run(fork)


def test_a_mask_of_the_app_stays(run: Run) -> None:
    """Who has blocked SIGTERM has it blocked after a fork, on both sides."""
    code = """
leave.install()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
pid = os.fork()
blocked = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
if pid == 0:
    os._exit(blocked)
print(blocked, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert "True 1" == run(code)


def test_a_pool_ends_whose_workers_have_not_begun(run: Run) -> None:
    """As joblib's do: one worker has done all the work when the last is told to go."""
    code = """
leave.install()
from multiprocessing import get_context
for _ in range(40):
    with get_context("fork").Pool(3) as pool:
        pool.apply(int)
print("over")
"""
    assert "over" == run(code)


def test_a_worker_that_has_predicted_hears_it_in_a_lock_of_the_system(run: Run) -> None:
    """Also where the signal has not interrupted the wait: another thread has had it."""
    code = """
import multiprocessing, tidegauge
context = multiprocessing.get_context("fork")
lock = context.Lock()
lock.acquire()
waits = context.Event()
def serve():
    with tidegauge.Model("m").prediction([1.0]) as p:
        p.output = 0.5
    def hear():
        waits.wait()
        time.sleep(0.5)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Thread(target=hear, daemon=True).start()
    lock.acquire()
leave.install()
child = context.Process(target=serve)
child.start()
waits.set()
child.join(20)
print(child.exitcode)
child.kill()
"""
    assert str(-signal.SIGTERM) == run(code)


def test_a_main_thread_that_waits_is_interrupted_after_sigterm(run: Run) -> None:
    """By a signal that does nothing else, some times; never before, nor after another signal."""
    code = """
from tidegauge import sigterm
def heard():
    sigterm.nudge()
    return heards.count("URG")
heards = []
signal.signal(signal.SIGTERM, lambda *_: heards.append("TERM"))
signal.signal(signal.SIGUSR1, lambda *_: heards.append("USR1"))
print(heard(), end=" ")
sigterm.listen()
sigterm.listen()
signal.signal(signal.SIGURG, lambda *_: heards.append("URG"))
print(heard(), end=" ")
os.kill(os.getpid(), signal.SIGUSR1)
print(heard(), end=" ")
os.kill(os.getpid(), signal.SIGTERM)
print([heard() for _ in range(sigterm._NUDGES + 2)][-1] == sigterm._NUDGES)
"""
    assert "0 0 0 True" == run(code)


def test_a_fork_of_a_worker_does_not_wake_it(run: Run) -> None:
    """It has signals of its own, and what an event loop listens with is left alone."""
    code = """
import multiprocessing, tidegauge
from tidegauge import sigterm
context = multiprocessing.get_context("fork")
def serve(answers, taken):
    if taken:
        signal.set_wakeup_fd(os.pipe2(os.O_NONBLOCK)[1])
    with tidegauge.Model("m").prediction([1.0]) as p:
        p.output = 0.5
    inherited = sigterm._reader
    pid = os.fork()
    if pid == 0:
        os._exit((sigterm._reader != -1) + 2 * (signal.set_wakeup_fd(-1) != -1))
    answers.put([inherited == -1, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])])
leave.install()
for taken in (False, True):
    answers = context.SimpleQueue()
    child = context.Process(target=serve, args=(answers, taken))
    child.start()
    print(answers.get(), end=" ")
    child.join()
    print(child.exitcode)
"""
    # From 3.12 on asyncio forgets it in each child, whosever it is.
    kept = 2 if sys.version_info < (3, 12) else 0
    assert f"[False, 0] 0\n[True, {kept}] 0" == run(code)
