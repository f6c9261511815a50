"""A process's figures beside those of the system, and the models' shares of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tidegauge.sources import Moment
from tidegauge_resources.cgroups import ControlGroups
from tidegauge_resources.process import ProcessSource

MEBIBYTE = 2**20
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system has no /proc")


@pytest.fixture
def source(clock: Any) -> ProcessSource:
    """Provide the source of this process, by a clock of the test."""
    return ProcessSource(clock)


def burn(seconds: float) -> None:
    """Use so much CPU time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@LINUX
def test_figures_are_those_of_the_system(
    source: ProcessSource, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """``/proc``, and ``ps`` where there is one, at the same time."""
    found = values(source.read(moment()))
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    assert int(status["Threads"]) == found["process.thread.count",]
    # psutil's own descriptor of the folder is open while it counts.
    assert abs(len(os.listdir("/proc/self/fd")) - found["process.unix.file_descriptor.count",]) <= 1  # noqa: PTH208
    size_bytes = 1024 * int(status["VmSize"].split()[0])
    assert pytest.approx(size_bytes, rel=0.05) == found["process.memory.virtual",]
    rss = found["process.memory.usage",]
    assert pytest.approx(1024 * int(status["VmRSS"].split()[0]), rel=0.05) == rss
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False
    )
    assert pytest.approx(1024 * int(told.stdout), rel=0.05) == rss
    used = os.times()
    assert pytest.approx(used.user, abs=0.1) == found["process.cpu.time", "user"]
    assert pytest.approx(used.system, abs=0.1) == found["process.cpu.time", "system"]


def test_a_known_load_is_measured(
    source: ProcessSource, clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """So much CPU time in so much time, by the test's clock, is so much percent of a core."""
    list(source.read(moment(age_s=1e6)))
    clock.now_s += 60.0  # what this process has used since it began is out of the window
    list(source.read(moment(age_s=1e6)))
    began_s = time.process_time()
    burn(0.3)
    clock.now_s += 60.0
    found = values(source.read(moment(age_s=1e6, m=(1.0, 1))))
    burnt_s = time.process_time() - began_s
    # The kernel counts in hundredths of a second.
    assert pytest.approx(100 * burnt_s / 60, abs=0.1) == found["model.cpu.usage", "m"]
    utilization = sum(found["process.cpu.utilization", mode] for mode in ("user", "system"))
    assert pytest.approx(burnt_s / 60 / ControlGroups().available_cpus(), abs=0.001) == utilization


def test_cpu_times_of_workers_add_up_exactly(
    source: ProcessSource, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """In whatever order: a sum that depends on it would fall now and then."""
    burn(0.03)
    found = values(source.read(moment()))
    for mode in ("user", "system"):
        assert (1024 * found["process.cpu.time", mode]).is_integer()


def test_memory_that_is_written_is_measured(
    source: ProcessSource, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """64 MiB more are 64 MiB more."""
    before = values(source.read(moment(m=(1.0, 1))))["model.memory.usage", "m"]
    block = bytearray(os.urandom(MEBIBYTE)) * 64
    after = values(source.read(moment(m=(1.0, 1))))["model.memory.usage", "m"]
    assert pytest.approx(len(block), rel=0.1) == after - before


def test_models_share_what_the_process_uses(
    source: ProcessSource, clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """By the time that their predictions took lately; the sum is the process's."""
    list(source.read(moment(age_s=1e6, a=(50.0, 1), b=(0.0, 0))))
    burn(0.1)
    clock.now_s += 30.0
    found = values(source.read(moment(age_s=1e6, a=(51.0, 9), b=(3.0, 2))))
    memory = [found["model.memory.usage", name] for name in "ab"]
    assert pytest.approx(found["process.memory.usage",]) == sum(memory)
    assert pytest.approx(3.0) == memory[1] / memory[0]
    shares = [found["model.cpu.usage", name] for name in "ab"]
    assert pytest.approx(3.0) == shares[1] / shares[0]


def test_without_models_there_are_none_to_charge(
    source: ProcessSource, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """A process that has not predicted has its own figures only."""
    names = {key[0] for key in values(source.read(moment()))}
    assert not any(name.startswith("model.") for name in names)
    assert "process.memory.usage" in names


def test_what_is_not_asked_for_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, moment: Callable[..., Moment]
) -> None:
    """``none`` turns everything off, as does a list without it."""
    for text in ("none", "gpu,cost"):
        monkeypatch.setenv("TIDEGAUGE_RESOURCES_SOURCES", text)
        assert [] == list(ProcessSource().read(moment()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_is_a_process_of_its_own() -> None:
    """Its CPU time begins at zero, though its parent's source was read before."""
    code = (
        "import os, time\n"
        "from tidegauge.sources import Moment\n"
        "from tidegauge_resources.process import ProcessSource\n"
        "source, moment = ProcessSource(), Moment(time.time(), time.time(), {})\n"
        "def used():\n"
        "    points = source.read(moment)\n"
        "    return sum(p.value for p in points if p.spec.name == 'process.cpu.time')\n"
        "while time.process_time() < 0.5: pass\n"
        "print(used(), flush=True)\n"
        "if os.fork() == 0:\n"
        "    source.reset()\n"
        "    print(used(), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parent_s, child_s = map(float, done.stdout.split())
    assert parent_s >= 0.48
    assert child_s < parent_s / 2


def test_importing_the_sources_loads_nothing_large() -> None:
    """Neither psutil nor the driver's binding nor a library of models, and no thread."""
    code = (
        "import sys, threading\n"
        "import tidegauge_resources.process, tidegauge_resources.container\n"
        "tidegauge_resources.process.ProcessSource()\n"
        "print([n for n in ('psutil', 'pynvml', 'amdsmi', 'torch', 'sklearn', 'pandas')"
        " if n in sys.modules], threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[] 1" == done.stdout.strip()
