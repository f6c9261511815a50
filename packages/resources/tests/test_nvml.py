"""GPUs of a driver without a GPU: what devices answer, and what they do not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge_resources.gpu_memory import are_ours
from tidegauge_resources.nvml import Device
from tidegauge_resources.visible import launched_with, visible

PROGRAMS = Path(__file__).parent / "programs"
COMPILER = shutil.which("gcc") or shutil.which("cc")
Ask = Callable[[str], Any]


def build(folder: Path, *options: str) -> Path:
    """Build the driver's library in a folder of its own."""
    if COMPILER is None:
        pytest.skip("no C compiler (gcc or cc) to build the driver's library with")
    if not sys.platform.startswith("linux"):
        pytest.skip("the driver's library has its Linux name")
    library = folder / "libnvidia-ml.so.1"
    source = PROGRAMS / "nvml.c"
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", *options, "-o", library, source],
        check=True,
    )
    return folder


class Process:
    """A process that finds a driver's library, or none."""

    def __init__(self, libraries: Path | None, **environ: str) -> None:
        given = {} if libraries is None else {"LD_LIBRARY_PATH": str(libraries)}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TIDEGAUGE_", "CUDA_"))}
        self._process = subprocess.Popen(
            [sys.executable, PROGRAMS / "answer.py"],
            env={**kept, **given, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, code: str) -> Any:
        """Run code and return its ``result``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(textwrap.dedent(code)), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.kill()


@pytest.fixture(scope="module")
def new_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library of a driver of today."""
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def ask(new_driver: Path) -> Iterator[Ask]:
    """Provide a process with that driver."""
    process = Process(new_driver)
    yield process
    process.close()


READ = """
from tidegauge_resources.gpu import GpuSource
result = values(GpuSource().read(moment()))
"""
FIRST, SECOND = "GPU-0000|Large GPU|", "GPU-0001|Large GPU|"
SENSORS = {
    "hw.temperature": 60,
    "hw.power": 71.5,
    "hw.energy": 0,
}


def sensors(named: str) -> dict[str, float]:
    """Return what a device with all sensors says for the first time."""
    counted = {f"hw.errors|{named}gpu|{kind}": 0 for kind in ("corrected", "uncorrected")}
    return {f"{name}|{named}gpu": value for name, value in SENSORS.items()} | counted


def use(named: str, busy: float, used: float, total: float) -> dict[str, float]:
    """Return what a device says of its use."""
    return {
        f"hw.gpu.utilization|{named}": busy,
        f"hw.gpu.memory.usage|{named}": used,
        f"hw.gpu.memory.limit|{named}": total,
        f"hw.gpu.memory.utilization|{named}": used / total,
    }


def test_two_devices(ask: Ask) -> None:
    """Each by its UUID, with all that OpenTelemetry names; memory as nvidia-smi has it."""
    expected = sensors(FIRST) | sensors(SECOND)
    expected |= use(FIRST, 0.4, 2000, 8000) | use(SECOND, 0.41, 2000, 8000)
    assert expected == ask("fake()" + READ)


def test_what_a_device_has_no_sensor_for_is_absent(ask: Ask) -> None:
    """Never 0; its memory is there, and the other device has all."""
    found = ask("fake(unsupported=1)" + READ)
    of_second = {name: value for name, value in found.items() if SECOND in name}
    memory = use(SECOND, 0, 2000, 8000)
    del memory[f"hw.gpu.utilization|{SECOND}"]
    assert memory == of_second
    assert sensors(FIRST).items() <= found.items()


def test_partitions_have_the_memory_and_the_device_the_sensors(ask: Ask) -> None:
    """With MIG nobody knows the use of a part; sums over devices count nothing twice."""
    found = ask("fake(mig=1)" + READ)
    named = [f"MIG-0-{part}|Large GPU|GPU-0000" for part in (0, 1)]
    usage = {f"hw.gpu.memory.usage|{name}": 250 + 50 * part for part, name in enumerate(named)}
    assert {f"hw.gpu.memory.usage|{SECOND}": 2000, **usage} == {
        name: value for name, value in found.items() if name.startswith("hw.gpu.memory.usage")
    }
    assert [f"hw.gpu.utilization|{SECOND}"] == [n for n in found if "gpu.utilization" in n]
    assert sensors(FIRST).items() <= found.items()


def test_a_device_that_falls_off_the_bus_is_absent_until_it_is_back(ask: Ask) -> None:
    """The library is opened again after a minute, not with each scrape."""
    lost, between, back, opened = ask(
        """
        from tidegauge_resources.gpu import GpuSource
        from tidegauge_resources.nvml import Nvml
        import ctypes
        now = [0.0]
        library = ctypes.CDLL("libnvidia-ml.so.1")
        source = GpuSource()
        source._nvml = Nvml(lambda: now[0])
        def devices():
            return sorted({n.split("|")[1] for n in values(source.read(moment()))})
        fake(); devices(); fake(lost=0); library.fake_set(b"inits", 0)
        lost = devices(); now[0] += 1; devices(); fake(); between = devices(), library.fake_inits()
        now[0] += 60; result = lost, between, devices(), library.fake_inits()
        """
    )
    assert ["GPU-0001"] == lost
    assert [["GPU-0000", "GPU-0001"], 0] == between
    assert ["GPU-0000", "GPU-0001"] == back
    assert 1 == opened


def test_a_driver_that_was_unloaded_is_opened_again(ask: Ask) -> None:
    """An app may have shut the library down for everybody."""
    gone, back = ask(
        """
        from tidegauge_resources.gpu import GpuSource
        from tidegauge_resources.nvml import Nvml
        import ctypes
        now = [0.0]
        source = GpuSource()
        source._nvml = Nvml(lambda: now[0])
        fake(); list(source.read(moment()))
        ctypes.CDLL("libnvidia-ml.so.1").fake_set(b"initialized", 0)
        gone = len(list(source.read(moment())))
        now[0] += 60
        result = gone, len(list(source.read(moment())))
        """
    )
    assert 0 == gone
    assert back > 0


def test_a_driver_that_does_not_run_has_no_devices(ask: Ask) -> None:
    """Nothing is said, and nothing raised."""
    assert {} == ask("fake(init_error=9)" + READ)


def test_counters_count_from_the_first_reading_and_begin_anew_after_a_reset(ask: Ask) -> None:
    """A device counts since its driver was loaded, and from zero when it was reset."""
    found = ask(
        """
        from tidegauge_resources.gpu import GpuSource
        source, result = GpuSource(), []
        for energy, errors in ((9000, 3), (9500, 4), (100, 4), (600, 4)):
            fake(gpus=1, energy=energy, errors=errors)
            points = list(source.read(moment(1000.0)))
            joules = next(p for p in points if p.spec.name == "hw.energy")
            faults = sorted(p.value for p in points if p.spec.name == "hw.errors")
            result.append((joules.value, joules.start_s > 1000, faults))
        """
    )
    assert [
        [0.0, False, [0, 0]],
        [0.5, False, [1, 10]],
        [0.0, True, [1, 10]],
        [0.5, True, [1, 10]],
    ] == found


def test_models_are_charged_with_the_energy_of_their_gpus(ask: Ask) -> None:
    """Both devices together, by share of time; in a process of its own, from its first reading."""
    found = ask(
        """
        from pathlib import Path
        from tidegauge_resources.energy import EnergySource
        now = [0.0]
        source, result = EnergySource(Path("/nowhere"), lambda: now[0]), None
        for energy in (5000, 11000):
            fake(energy=energy); now[0] += 10
            result = values(source.read(moment(now[0], a=(3.0, 5), b=(1.0, 5))))
        """
    )
    assert {"model.energy.usage|a|gpu": 9.0, "model.energy.usage|b|gpu": 3.0} == found


def test_a_process_has_its_models_memory(ask: Ask) -> None:
    """What the driver says of this process, not of its neighbours; models share it by time."""
    found = ask(
        """
        from tidegauge_resources.gpu_memory import GpuMemorySource
        fake()
        result = values(GpuMemorySource().read(moment(a=(3.0, 1), b=(1.0, 1))))
        """
    )
    assert {"model.gpu.memory|a|GPU-0000": 384, "model.gpu.memory|b|GPU-0000": 128} == found


def test_memory_that_the_driver_hides_is_what_torch_says(ask: Ask) -> None:
    """If the app has imported it and begun CUDA; otherwise it is absent, never 0."""
    hidden, unused, told = ask(
        """
        import sys, types
        from tidegauge_resources.gpu_memory import GpuMemorySource
        fake(hides_pids=1)
        def read():
            return values(GpuMemorySource().read(moment(m=(1.0, 1))))
        hidden = read()
        assert "torch" not in sys.modules
        begun = [False]
        cuda = types.SimpleNamespace(
            is_initialized=lambda: begun[0], device_count=lambda: 1,
            memory_reserved=lambda index: 777,
            get_device_properties=lambda index: types.SimpleNamespace(uuid="0000"),
        )
        sys.modules["torch"] = types.SimpleNamespace(cuda=cuda)
        unused = read(); begun[0] = True
        result = hidden, unused, read()
        del sys.modules["torch"]
        """
    )
    assert ({}, {}) == (hidden, unused)
    assert {"model.gpu.memory|m|GPU-0000": 777} == told


def test_an_old_driver_says_what_it_knows(tmp_path: Path) -> None:
    """Neither energy nor errors nor partitions; memory by the function that there was then."""
    process = Process(build(tmp_path, "-DOLD_DRIVER"))
    try:
        found = process("fake(gpus=1)" + READ)
        memory = process(
            """
            from tidegauge_resources.gpu_memory import GpuMemorySource
            result = values(GpuMemorySource().read(moment(m=(1.0, 1))))
            """
        )
    finally:
        process.close()
    expected = {f"{n}|{FIRST}gpu": v for n, v in SENSORS.items() if n != "hw.energy"}
    assert expected | use(FIRST, 0.4, 2100, 8000) == found
    assert {} == memory


def test_a_call_that_hangs_leaves_the_others_their_values(new_driver: Path) -> None:
    """It hangs for ten seconds; the collection waits a tenth of one, and a second one not at all.

    Neither a library of models nor CUDA is loaded on the way, and the binding only for the driver.
    """
    process = Process(new_driver)
    try:
        before, during, waited_s, again_s, loaded = process(
            """
            import sys, time
            import tidegauge_resources.gpu, tidegauge_resources.process
            from tidegauge import sources
            from tidegauge_resources.gpu import GpuSource
            from tidegauge_resources.process import ProcessSource
            made = sources.Sources([GpuSource(), ProcessSource()])
            def collect(patience_s=sources.PATIENCE_S):
                begun = time.perf_counter()
                made.ask(moment, moment)
                names = sorted({p.spec.name for p in made.points(patience_s)})
                return names, time.perf_counter() - begun
            fake(); before, _ = collect(60.0); fake(hang=1)
            during, waited_s = collect()
            _, again_s = collect()
            mapped = open("/proc/self/maps").read()
            loaded = [n for n in ("torch", "sklearn", "onnxruntime", "xgboost") if n in sys.modules]
            result = before, during, waited_s, again_s, loaded + ["libcuda"] * ("libcuda" in mapped)
            """
        )
    finally:
        process.close()
    assert "hw.gpu.utilization" in before
    assert set(before) <= set(during)
    # The bench holds the tenth of a second; here only that nobody waits for the driver.
    assert waited_s < 5
    assert again_s < 5
    assert [] == loaded


def test_without_a_driver_the_binding_is_not_imported() -> None:
    """It would take a third of a second for nothing."""
    process = Process(None)
    try:
        found = process(
            """
            import sys
            from tidegauge_resources.gpu import GpuSource
            result = len(list(GpuSource().read(moment()))), "pynvml" in sys.modules
            """
        )
    finally:
        process.close()
    if found[0]:
        pytest.skip("this machine has a driver")
    assert [0, False] == found


def test_a_forked_child_opens_the_library_itself(ask: Ask) -> None:
    """With no handle of its parent's."""
    found = ask(
        """
        import ctypes, os
        from tidegauge_resources.gpu import GpuSource
        fake(); source = GpuSource(); list(source.read(moment()))
        library = ctypes.CDLL("libnvidia-ml.so.1")
        ends = os.pipe()
        if os.fork() == 0:
            library.fake_set(b"inits", 0)
            source.reset()
            number = len(list(source.read(moment())))
            os.write(ends[1], f"{number} {library.fake_inits()}".encode())
            os._exit(0)
        os.wait()
        result = [*map(int, os.read(ends[0], 100).split()), len(list(source.read(moment())))]
        """
    )
    assert [found[2], 1] == found[:2]


# -- which devices are meant ---------------------------------------------------------------------


def gpu(number: int, name: str = "Large GPU") -> Device:
    """Return a device."""
    return Device(None, f"GPU-{number}f", name)


ALIKE = [gpu(0), gpu(1), gpu(2)]
MIXED = [gpu(0), gpu(1, "Small GPU")]
PARTS = [
    Device(None, "GPU-0f", "Large GPU", partitioned=True),
    Device(None, "MIG-a", "Large GPU", "GPU-0f"),
    Device(None, "MIG-b", "Large GPU", "GPU-0f"),
    gpu(1),
]


@pytest.mark.parametrize(
    ("devices", "environ", "expected"),
    [
        (ALIKE, {}, ["GPU-0f", "GPU-1f", "GPU-2f"]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "2,0"}, ["GPU-0f", "GPU-2f"]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "GPU-1"}, ["GPU-1f"]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "1,7,0"}, ["GPU-1f"]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "GPU-"}, []),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": ""}, []),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "-1"}, []),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        (MIXED, {"CUDA_VISIBLE_DEVICES": "0"}, ["GPU-0f", "GPU-1f"]),
        (MIXED, {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, ["GPU-0f"]),
        (MIXED, {"CUDA_VISIBLE_DEVICES": "GPU-1f"}, ["GPU-1f"]),
        (PARTS, {"CUDA_VISIBLE_DEVICES": "MIG-b"}, ["GPU-0f", "MIG-b"]),
        (PARTS, {"CUDA_VISIBLE_DEVICES": "0"}, ["GPU-0f", "MIG-a", "MIG-b"]),
        ([], {"CUDA_VISIBLE_DEVICES": "0"}, []),
    ],
)
def test_the_devices_of_a_launch(
    devices: list[Device], environ: dict[str, str], expected: list[str]
) -> None:
    """As CUDA reads it; where only CUDA could know which is meant, all."""
    assert expected == [device.uuid for device in visible(devices, environ)]


def test_the_environment_is_that_of_the_start(new_driver: Path) -> None:
    """A worker that chooses one GPU for itself does not hide the others from its launch."""
    process = Process(new_driver, CUDA_VISIBLE_DEVICES="1")
    try:
        found = process("import os; os.environ['CUDA_VISIBLE_DEVICES'] = '0'; fake()" + READ)
    finally:
        process.close()
    assert {"GPU-0001"} == {name.split("|")[1] for name in found}


def test_without_proc_the_environment_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no other."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert "3" == launched_with(tmp_path)["CUDA_VISIBLE_DEVICES"]


def test_numbers_of_processes_are_those_of_the_first_namespace(tmp_path: Path) -> None:
    """In a container they are ours if all of them are here."""
    assert are_ours([1, 2], tmp_path)  # no Linux
    space = tmp_path / "proc/self/ns/pid"
    space.parent.mkdir(parents=True)
    space.symlink_to("pid:[4026531836]")
    assert are_ours([99], tmp_path)
    space.unlink()
    space.symlink_to("pid:[4026539999]")
    assert not are_ours([99], tmp_path)
    (tmp_path / "proc/99").mkdir()
    assert are_ours([99], tmp_path)
