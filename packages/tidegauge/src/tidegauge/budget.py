"""How much of each call's rows may be looked at: thinning by processor time and memory."""

from __future__ import annotations

import math

from tidegauge.configuration import CoreSettings

#: The thinning rate is set once in so many seconds, at multiples of it, so that all rows of a pane
#: were thinned alike.
PERIOD_S = 10.0

# Rows are let back in when the work has fallen below this share of the budget, not at once:
# otherwise the rate would swing with every period.
_RELAX_BELOW = 0.4
_MAX_STRIDE = 4096
# Features come back when the buffer has emptied to this share of its limit.
_REFILL_BELOW = 0.5


class Budget:
    """Watches the background thread's processor time and decides the stride."""

    def __init__(self) -> None:
        self._period = -1
        self._spent_s = 0.0
        self._last_share = 0.0
        self._stride = 1
        self._full = False

    def spent(self, seconds: float) -> None:
        """Add processor time that background work took."""
        self._spent_s += seconds

    def stride(self, now_s: float, waiting_bytes: int, settings: CoreSettings) -> int:
        """Return the stride that callers shall use from now on; 0 while the buffer is full."""
        if waiting_bytes > settings.buffer_bytes:
            self._full = True
        elif waiting_bytes < _REFILL_BELOW * settings.buffer_bytes:
            self._full = False
        period = math.floor(now_s / PERIOD_S)
        if self._period < 0:  # the first look begins a period, it ends none
            self._period = period
        elif period != self._period:
            share = self._spent_s / PERIOD_S * 100 / settings.cpu_budget_percent
            self._stride = _next_stride(self._stride, share, self._last_share)
            self._period, self._spent_s, self._last_share = period, 0.0, share
        return 0 if self._full else self._stride


def _next_stride(stride: int, share: float, last_share: float) -> int:
    """Double or halve: powers of two keep the rates of neighbouring periods comparable."""
    excess = min(share, last_share)  # two periods in a row: one may have held a lazy import
    if excess > 1:
        return min(_MAX_STRIDE, stride << math.ceil(math.log2(excess)))
    if share < _RELAX_BELOW and stride > 1:
        return stride // 2
    return stride
