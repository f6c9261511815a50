"""joblib's workers know that they work inside a recorded call, whatever they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib._parallel_backends import ThreadingBackend
from tidegauge.joblib_propagation import JOBLIB, Inside, Portable
from tidegauge.patcher import Patcher
from tidegauge.suppression import is_inside, suppress


def asks(_: int = 0) -> bool:
    """Tell whether this runs inside a recorded call."""
    return is_inside()


@pytest.fixture(autouse=True)
def _patched() -> Iterator[None]:
    patcher = Patcher([JOBLIB])
    patcher.install()
    try:
        yield
    finally:
        patcher.remove()


@pytest.mark.parametrize("backend", ["threading", "sequential", "loky", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_are_where_their_caller_is(backend: str) -> None:
    """Inside a recorded call all tasks are inside; outside none is. Results keep their order."""
    work = [delayed(asks)(number) for number in range(30)]
    with suppress():
        assert Parallel(2, backend=backend)(work) == [True] * 30
        assert Parallel(2, backend=backend)(iter(work)) == [True] * 30
    assert Parallel(2, backend=backend)(work) == [False] * 30
    assert not is_inside()


def test_generators_of_results_work() -> None:
    """``return_as="generator"`` yields as before."""
    with suppress():
        found = Parallel(2, backend="threading", return_as="generator")(
            delayed(asks)(number) for number in range(10)
        )
    assert list(found) == [True] * 10


def test_an_exception_of_a_task_is_the_tasks() -> None:
    """What a task raises arrives, and the worker is outside again."""

    def fail() -> None:
        raise ValueError("the task's")

    with suppress(), pytest.raises(ValueError, match="the task's"):
        Parallel(2, backend="threading")([delayed(fail)()])
    with pytest.raises(ValueError, match="the task's"):
        Inside(fail)()
    assert not is_inside()


# What a worker elsewhere does: it is sent a task, and has no Tidegauge, or one that is not used.
ELSEWHERE = """
import pickle, sys
class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0].startswith("tidegauge"):
            raise ModuleNotFoundError(name)
if {missing}:
    sys.meta_path.insert(0, Missing())
print(pickle.loads(bytes.fromhex({task!r}))([1, 2]), "tidegauge" in sys.modules)
"""


@pytest.mark.parametrize("missing", [True, False])
def test_other_machines_need_no_tidegauge(python: Callable[..., Any], missing: bool) -> None:
    """For workers that may be anywhere a task is itself, and loads nothing of ours.

    Also where it comes by way of a process that has Tidegauge loaded.
    """
    passed_on = pickle.dumps(pickle.loads(pickle.dumps(Portable(len))))
    assert passed_on == pickle.dumps(Portable(len))
    done = python(ELSEWHERE.format(missing=missing, task=passed_on.hex()))
    assert ("", "2 False") == (done.stderr, done.stdout.strip())


def test_other_machines_that_record_know_where_they_are() -> None:
    """Where Tidegauge is loaded a task is a part of the recorded call, as in joblib's own."""
    assert [is_inside(), pickle.loads(pickle.dumps(Portable(asks)))(), is_inside()] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("module", ["joblib._dask", "ray.util.joblib.ray_backend"])
def test_what_goes_to_other_machines_loads_there(module: str, python: Callable[..., Any]) -> None:
    """Dask's backend lives in joblib, its workers do not: one without Tidegauge must do."""
    sent: list[bytes] = []

    class Remote(ThreadingBackend):  # type: ignore[misc]
        def submit(self, func: Any, callback: Any = None) -> Any:
            sent.append(cloudpickle.dumps(func))
            return super().submit(func, callback)

    Remote.__module__ = module
    register_parallel_backend("remote", Remote)
    with suppress(), parallel_config(backend="remote", n_jobs=2):
        assert Parallel()(delayed(abs)(-number) for number in range(4)) == [0, 1, 2, 3]
    code = ELSEWHERE.partition("print")[0].format(missing=True) + (
        f"for task in {[task.hex() for task in sent]!r}: print(pickle.loads(bytes.fromhex(task))())"
    )
    done = python(code)
    assert ("", "[0]") == (done.stderr, done.stdout.split()[0])


def test_a_pickled_task_is_still_inside() -> None:
    """Joblib's own processes unpickle a task that is a part of the recorded call."""
    assert [is_inside(), pickle.loads(pickle.dumps(Inside(asks)))(), is_inside()] == [
        False,
        True,
        False,
    ]
