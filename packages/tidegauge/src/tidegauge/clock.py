"""The wall clock of the suite: one place, so that replays and tests can pass their own."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

#: Unix seconds.
system: Clock = time.time
