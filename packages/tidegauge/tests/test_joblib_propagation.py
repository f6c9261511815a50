"""joblib's workers know that they work inside a recorded call, whatever they are."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
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


def test_other_machines_need_no_tidegauge() -> None:
    """For workers that may be anywhere a task pickles as itself."""
    content = pickle.dumps(Portable(len))
    assert b"tidegauge" not in content
    assert pickle.loads(content)([1, 2]) == 2


@pytest.mark.parametrize("module", ["joblib._dask", "ray.util.joblib.ray_backend"])
def test_what_goes_to_other_machines_holds_nothing_of_ours(module: str) -> None:
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
    assert len(sent) >= 1
    assert not any(b"tidegauge" in task for task in sent)


def test_a_pickled_task_is_still_inside() -> None:
    """Joblib's own processes unpickle a task that is a part of the recorded call."""
    assert [is_inside(), pickle.loads(pickle.dumps(Inside(asks)))(), is_inside()] == [
        False,
        True,
        False,
    ]
