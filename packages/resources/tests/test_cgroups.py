"""Limits and use of a container, from the files of both versions of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tidegauge.sources import Moment
from tidegauge_resources.cgroups import ControlGroups
from tidegauge_resources.container import ContainerSource

MEBIBYTE = 2**20
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
UNLIMITED = 9223372036854771712

Tree = Callable[[Mapping[str, object]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a function that writes files under a root of its own."""

    def write(files: Mapping[str, object]) -> Path:
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        return tmp_path

    return write


def version_2(path: str = "/") -> dict[str, object]:
    """Return what /proc says where version 2 is mounted."""
    return {"proc/self/cgroup": f"0::{path}", "proc/self/mountinfo": V2_MOUNT}


def version_1(path: str, root: str = "/") -> dict[str, object]:
    """Return what /proc says where version 1 is mounted."""
    return {
        "proc/self/cgroup": f"5:cpu,cpuacct:{path}\n4:memory:{path}\n0::/",
        "proc/self/mountinfo": V1_MOUNTS.format(root=root),
    }


def test_version_2_in_a_container(tree: Tree) -> None:
    """Its own group is the root that it sees."""
    files: dict[str, object] = {
        "memory.current": 300 * MEBIBYTE,
        "memory.max": 512 * MEBIBYTE,
        "memory.stat": f"anon 1\ninactive_file {100 * MEBIBYTE}",
        "cpu.max": "150000 100000",
        "cpu.stat": "usage_usec 2500000\nuser_usec 1",
    }
    root = tree(version_2() | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    groups = ControlGroups(root).read()
    assert (1.5, 512 * MEBIBYTE) == (groups.cpu_limit, groups.memory_limit)
    own = groups.own
    assert (300 * MEBIBYTE, 200 * MEBIBYTE) == (own.memory_usage, own.memory_working_set)
    assert pytest.approx(2.5) == own.cpu_seconds
    assert pytest.approx(200 / 512) == groups.memory_utilization


def test_a_limit_above_the_own_group_counts(tree: Tree) -> None:
    """The nearest one decides, with the use of all that share it."""
    root = tree(
        version_2("/pod/app")
        | {
            "sys/fs/cgroup/pod/memory.max": 1000,
            "sys/fs/cgroup/pod/memory.current": 900,
            "sys/fs/cgroup/pod/cpu.max": "50000 100000",
            "sys/fs/cgroup/pod/app/memory.max": 800,
            "sys/fs/cgroup/pod/app/memory.current": 100,
            "sys/fs/cgroup/pod/app/cpu.max": "max 100000",
        }
    )
    groups = ControlGroups(root).read()
    assert (0.5, 800, 0.9) == (groups.cpu_limit, groups.memory_limit, groups.memory_utilization)
    assert 100 == groups.own.memory_usage
    assert 0.5 == ControlGroups(root).available_cpus()


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_version_1(tree: Tree, root: str) -> None:
    """Controllers have folders of their own; in a container the mount shows the own group only."""
    at = "docker/abc/" if root == "/" else ""
    memory, cpu = f"sys/fs/cgroup/memory/{at}", f"sys/fs/cgroup/cpu,cpuacct/{at}"
    tree_root = tree(
        version_1("/docker/abc", root)
        | {
            f"{memory}memory.usage_in_bytes": 300,
            f"{memory}memory.limit_in_bytes": 400,
            f"{memory}memory.stat": "inactive_file 1\ntotal_inactive_file 200",
            f"{cpu}cpuacct.usage": 3_000_000_000,
            f"{cpu}cpu.cfs_quota_us": 200_000,
            f"{cpu}cpu.cfs_period_us": 100_000,
        }
    )
    groups = ControlGroups(tree_root).read()
    assert (2.0, 400, 0.25) == (groups.cpu_limit, groups.memory_limit, groups.memory_utilization)
    own = groups.own
    assert (300, 100, 3.0) == (own.memory_usage, own.memory_working_set, own.cpu_seconds)


def test_no_limit_is_absent(tree: Tree) -> None:
    """Version 1 has a huge number for it, version 2 a word; neither is a limit."""
    one = tree(
        version_1("/")
        | {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED,
            "sys/fs/cgroup/memory/memory.usage_in_bytes": 300,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": -1,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": 100_000,
        }
    )
    groups = ControlGroups(one).read()
    assert (None, None, None) == (
        groups.cpu_limit, groups.memory_limit, groups.memory_utilization,
    )  # fmt: skip
    assert 300 == groups.own.memory_usage


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "rubbish", "proc/self/mountinfo": "more rubbish"},
        version_2() | {"sys/fs/cgroup/memory.current": "", "sys/fs/cgroup/cpu.max": "max"},
        version_2("/../../elsewhere"),
    ],
    ids=["none", "rubbish", "empty", "a group that is not shown"],
)
def test_what_cannot_be_read_is_absent(tree: Tree, files: Mapping[str, object]) -> None:
    """No file, no right to read it, no sense in it."""
    groups = ControlGroups(tree(files)).read()
    assert (None, None, None) == (
        groups.cpu_limit, groups.memory_limit, groups.own.memory_usage,
    )  # fmt: skip
    assert ControlGroups(tree(files)).available_cpus() >= 1


def test_the_source_measures_against_the_limit(
    tree: Tree, clock: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """Two cores' time in ten seconds is a tenth of a quota of two; use needs two readings."""
    files = version_2() | {
        "sys/fs/cgroup/memory.current": 300,
        "sys/fs/cgroup/memory.max": 600,
        "sys/fs/cgroup/cpu.max": "200000 100000",
        "sys/fs/cgroup/cpu.stat": "usage_usec 7000000",
    }
    source = ContainerSource(tree(files), clock)
    assert {
        ("container.cpu.limit",): 2.0,
        ("container.memory.usage",): 300.0,
        ("container.memory.working_set",): 300.0,
        ("container.memory.limit",): 600.0,
        ("container.memory.utilization",): 0.5,
    } == values(source.read(moment()))
    tree({"sys/fs/cgroup/cpu.stat": "usage_usec 9000000"})
    clock.now_s += 10.0
    found = values(source.read(moment()))
    assert pytest.approx(0.2) == found["container.cpu.usage",]
    assert pytest.approx(0.1) == found["container.cpu.utilization",]


@pytest.fixture
def real_group() -> Iterator[Path]:
    """Make a memory group of the real system, and remove it."""
    for top in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        folder = Path(top) / f"tidegauge-test-{os.getpid()}"
        with suppress(OSError):
            folder.mkdir()
            break
    else:
        pytest.skip("no control group can be made here: /sys/fs/cgroup cannot be written")
    try:
        yield folder
    finally:
        folder.rmdir()


def test_a_real_group_is_read(real_group: Path) -> None:
    """A process that joins it finds its limit and its use."""
    version = real_group / "memory.limit_in_bytes"
    limit = version if version.exists() else real_group / "memory.max"
    try:
        limit.write_text(str(256 * MEBIBYTE))
    except OSError:
        pytest.skip(f"{limit} cannot be written here")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))\n"
        "block = bytearray(os.urandom(2**20)) * 64\n"
        "from tidegauge_resources.cgroups import ControlGroups\n"
        "groups = ControlGroups().read()\n"
        "print(groups.memory_limit, groups.memory_utilization)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(real_group)], capture_output=True, text=True, check=True
    )
    found, utilization = map(float, done.stdout.split())
    assert 256 * MEBIBYTE == found
    assert 0.25 <= utilization < 0.9
