"""One slow call for any number of callers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[T]):
    value: T | None = None
    error: Exception | None = None


class SharedCall(Generic[T]):
    """Makes calls one at a time; callers that wait share the next one.

    A caller that finds a call under way waits for the one after it: so nobody is given what was
    computed before they asked, and any number of callers costs at most two calls in a row.
    """

    def __init__(self, work: Callable[[], T | None]) -> None:
        self._work = work
        self.reset()

    def reset(self) -> None:
        """Forget callers and their locks: a forked child has none of the threads."""
        self._turn = threading.Condition()
        self._busy: bool = False
        self._started: int = 0
        self._finished: int = 0
        self._last: _Outcome[T] = _Outcome()

    def __call__(self, timeout_s: float) -> T | None:
        """Return what a call that started after this one returns, or raise what it raises.

        Raises
        ------
        TimeoutError
            Another caller's call did not end in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._turn:
            wanted = self._started + 1
            while self._busy and self._finished < wanted:
                if not self._turn.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
            if self._finished >= wanted:
                outcome = self._last
            else:
                self._busy = True
                self._started += 1
                outcome = None
        if outcome is None:
            outcome = self._call()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def _call(self) -> _Outcome[T]:
        outcome: _Outcome[T] = _Outcome(error=RuntimeError("the call was interrupted"))
        try:
            outcome = _Outcome(value=self._work())
        except Exception as error:
            outcome = _Outcome(error=error)
        finally:
            with self._turn:
                self._last = outcome
                self._finished = self._started
                self._busy = False
                self._turn.notify_all()
        return outcome
