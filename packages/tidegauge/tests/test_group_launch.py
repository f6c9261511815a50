"""Which processes are one launch: asked of the kernel, of real parents and children."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tidegauge.group.launch import OWNER_VARIABLE, Launch, detect, lives, look

LIMIT_S = 60
HEAD = '''
import json, multiprocessing, os, subprocess, sys, time
from tidegauge_testkit.forks import in_child
def told(queue=None):
    from tidegauge.group import current
    launch = current().launch
    answer = [launch.identity, launch.child, launch.helper]
    return answer if queue is None else queue.put(answer)
def started(method, work=told):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    answer = queue.get()
    process.join()
    return answer
def in_spawned(queue):
    told()
    queue.put([started("spawn"), started("forkserver"), in_child(told)])
def executed():
    code = f"""
import json, sys
sys.path[:] = {sys.path!r}
from tidegauge.group import current
launch = current().launch
print(json.dumps([launch.identity, launch.child, launch.helper]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return json.loads(done.stdout)
'''

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program, and return what it prints."""

    def run_code(code: str, **environ: str) -> Any:
        program = tmp_path / "program.py"
        program.write_text(f"{HEAD}\nif __name__ == '__main__':\n{code}")
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(program)],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **environ},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        assert "" == done.stderr
        return json.loads(done.stdout)

    return run_code


def test_children_of_a_process_that_knows_tidegauge(run: Run) -> None:
    """Forked or of multiprocessing, of any method and generation, they are its launch."""
    own, children = run("""
    own = told()
    children = [in_child(told), in_child(lambda: in_child(told)), started("fork"), started("spawn"),
                started("forkserver"), in_child(lambda: started("spawn")),
                *started("spawn", in_spawned)]
    print(json.dumps([own, children]))
    """)
    identity = own[0]
    assert re.fullmatch(r"[0-9a-f]{12}", identity)
    assert [identity, False, False] == own
    assert [[identity, True, False]] * 9 == children


def test_children_of_a_process_that_does_not(run: Run) -> None:
    """They find each other by the parent that they have in common."""
    children, own = run("""
    children = [in_child(told), started("fork"), started("spawn"), started("forkserver"),
                in_child(lambda: in_child(told)), *started("spawn", in_spawned)]
    print(json.dumps([children, told()]))
    """)
    assert [[own[0], True, False]] * 8 == children
    assert not own[1]


def test_a_program_started_from_a_worker_is_a_launch_of_its_own(run: Run, tmp_path: Path) -> None:
    """Even with the environment of a member; and one that takes the place of a forked child too."""
    own, others = run(
        f"""
    from tidegauge.group import current
    from tidegauge.group.launch import OWNER_VARIABLE
    def child():
        group = current()
        group.predicts = True
        assert group.active and OWNER_VARIABLE in os.environ
        code = executed()
        replaced = subprocess.run(
            [sys.executable, {str(tmp_path / "program.py")!r}, "again"],
            check=True, capture_output=True, preexec_fn=lambda: None).stdout
        return [code, json.loads(replaced)]
    if "again" in sys.argv:
        print(json.dumps([told(), in_child(told), started("spawn")]))
    else:
        print(json.dumps([told(), in_child(child)]))
    """,
        TIDEGAUGE_GROUP_DIR=str(tmp_path / "groups"),
    )
    first, (second, *children) = others
    assert 3 == len({own[0], first[0], second[0]})
    assert [False, False, False] == [own[1], first[1], second[1]]
    assert [[second[0], True, False]] * 2 == children


def test_a_launcher_that_has_become_a_daemon(run: Run, tmp_path: Path) -> None:
    """Its parent is gone, and yet what it forks and spawns is the launch that it was."""
    file = tmp_path / "answer"
    [identity] = run(
        f"""
    own = told()
    print(json.dumps(own[:1]), flush=True)
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:
        time.sleep(0.01)
    os.close(1), os.close(2)
    def member():
        from tidegauge.group import current
        current().predicts = True
        return current().active and [told(), started("spawn"), started("forkserver")]
    answer = [told(), in_child(told), in_child(member)]
    with open({str(file) + ".new"!r}, "w") as file:
        json.dump(answer, file)
    os.rename({str(file) + ".new"!r}, {str(file)!r})
    """,
        TIDEGAUGE_GROUP_DIR=str(tmp_path / "groups"),
    )
    deadline = os.times().elapsed + LIMIT_S
    while not file.exists():
        assert os.times().elapsed < deadline
    daemon, child, members = json.loads(file.read_text())
    assert [[identity, True, False]] * 5 == [daemon, child, *members]


def test_an_orphan_is_a_launch_of_its_own(run: Run) -> None:
    """Whoever has taken its parent's place is another program, and not its launcher."""
    launcher, own = run("""
    parent = os.getpid()
    ours, theirs = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            middle = os.getppid()
            os.write(theirs, b"x")
            while os.getppid() == middle:
                time.sleep(0.01)
            from tidegauge.group import current
            launch = current().launch
            print(json.dumps([launch.launcher_pid, os.getpid()]), flush=True)
            os._exit(0)
        os.read(ours, 1)
        os._exit(0)
    os.wait()
    """)
    assert own == launcher


def test_what_multiprocessing_keeps_for_itself_is_a_helper(run: Run, tmp_path: Path) -> None:
    """The resource tracker and the fork server load Tidegauge without code, and serve nothing."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        "from tidegauge.group import current\n"
        f"with open({str(tmp_path / 'starts')!r}, 'a') as file:\n"
        "    file.write(f'{current().launch.identity} {current().helper} {sys.orig_argv[-1]}\\n')\n"
    )
    path = os.pathsep.join([str(site), *sys.path])
    [own, forked, spawned] = run(
        """
    from tidegauge.group import current
    print(json.dumps([told(), started("forkserver"), started("spawn")]))
    """,
        PYTHONPATH=path,
    )
    assert [own[0], True, False] == forked == spawned
    starts = [line.split(" ", 2) for line in (tmp_path / "starts").read_text().splitlines()]
    helpers = {line[2].split()[1].rsplit(".")[-1] for line in starts if line[1] == "True"}
    assert {"resource_tracker", "forkserver"} == helpers
    assert {own[0]} == {line[0] for line in starts if "resource_tracker" not in line[2]}


def test_workers_of_joblib_are_of_the_launch(run: Run) -> None:
    """They are spawned by joblib's own multiprocessing."""
    own, children = run("""
    import joblib
    children = joblib.Parallel(n_jobs=2)(joblib.delayed(told)() for _ in range(2))
    print(json.dumps([told(), children]))
    """)
    assert [[own[0], True, False]] * 2 == children


def test_a_pid_that_comes_again_is_another_launch() -> None:
    """The start time tells them apart."""
    launch = detect({})
    me = look(os.getpid())
    assert me is not None
    assert lives(me.pid, me.start)
    assert not lives(me.pid, me.start - 1)
    assert launch.facts() != replace(launch, launcher_start=launch.launcher_start - 1).facts()


def test_a_process_that_has_ended_does_not_live() -> None:
    """A zombie has ended too."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert look(pid) is None
    os.waitpid(pid, 0)
    assert look(pid) is None


@pytest.mark.parametrize("value", ["", "x", "1.2", "1.2:3.4:5", "1.2:-3.4", "1" * 5000])
def test_a_variable_that_is_not_ours_changes_nothing(value: str) -> None:
    """The environment is anybody's."""
    assert detect({}) == detect({OWNER_VARIABLE: value})


def test_without_proc_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems than Linux do not say who is whose parent in a way that is known here."""
    monkeypatch.setattr("tidegauge.group.launch.look", lambda _: None)
    assert Launch() == detect({})
