"""Of models that ask models only the outermost call counts, and every one of those."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tidegauge.batch import ModelKey
from tidegauge.observe import suppressor
from tidegauge.runtime import shared
from tidegauge.suppression import tell_greenlets_apart

KEY = ModelKey("Stub")
ROW = np.ones((1, 3))


def total(core: Any) -> int:
    """Return how many calls were recorded."""
    assert core.pipeline.flush()
    return int(core.pipeline.tally.total)


def test_only_the_outermost_call_counts(core: Any) -> None:
    """Whatever models the model asks, also where the inner one raises."""
    inner = core.model(class_name="Inner")

    def broken(_: Any) -> Any:
        raise ValueError

    failing = core.model(broken, class_name="Failing")

    def answer(data: Any) -> Any:
        with pytest.raises(ValueError):  # noqa: PT011 - the stub's own
            failing.predict(data)
        return inner.predict(data)

    core.model(answer).predict(ROW)
    assert 1 == total(core)
    assert {KEY} == {key for key, _ in core.pipeline.tally.calls}


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], object]], object]]:
    """Run something in another thread, which has a copy of this one's context."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(contextvars.copy_context().run, work).result(20)


def test_calls_of_other_threads_count(core: Any, aside: Any) -> None:
    """Also those that happen during a call in a context that it was copied to."""
    other = core.model(class_name="Other")
    other.predict(ROW)  # the context has its mark from now on, and so have its copies

    def answer(data: Any) -> Any:
        aside(lambda: other.predict(data))
        return other.predict(data)

    core.model(answer).predict(ROW)
    aside(lambda: other.predict(ROW))
    assert 4 == total(core)
    assert 3 == core.pipeline.tally.calls[ModelKey("Other"), "predict"].success


def test_tasks_of_one_thread_count(core: Any) -> None:
    """Each has a copy of the context; what a task hands to a thread counts as well."""
    model = core.model()

    async def task() -> None:
        model.predict(ROW)
        await asyncio.sleep(0)
        await asyncio.to_thread(model.predict, ROW)

    async def main() -> None:
        model.predict(ROW)
        await asyncio.gather(task(), task(), task())

    asyncio.run(main())
    assert 7 == total(core)


def test_greenlets_count_apart(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that waits for another greenlet of its thread does not hide that one's calls."""
    monkeypatch.setattr(shared, "ident", shared.ident)  # put back at the end
    tell_greenlets_apart()
    greenlet = pytest.importorskip("greenlet")
    inner = core.model(class_name="Inner")

    def answer(data: Any) -> Any:
        greenlet.getcurrent().parent.switch()
        return inner.predict(data)

    model = core.model(answer)
    inner.predict(ROW)
    waiting = [greenlet.greenlet(lambda: model.predict(ROW)) for _ in range(3)]
    for each in waiting * 2:  # all three are in their call before the first of them ends
        each.gr_context = each.gr_context or contextvars.copy_context()
        each.switch()
    assert 4 == total(core)
    assert 3 == core.pipeline.tally.calls[KEY, "predict"].success


def test_training_is_no_prediction(core: Any) -> None:
    """Nor is what it predicts inside; after it, also after a failed one, recording goes on."""
    model = core.model()
    fit = suppressor()(lambda self, *, fail: self.predict(ROW) if not fail else 1 / 0)
    fit(model, fail=False)
    suppressor()(lambda *, estimator: estimator.predict(ROW))(estimator=model)
    with pytest.raises(ZeroDivisionError):
        fit(model, fail=True)
    assert 0 == total(core)
    model.predict(ROW)
    assert 1 == total(core)
