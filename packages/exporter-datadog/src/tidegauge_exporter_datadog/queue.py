"""What waits to be sent: a queue with a bound of bytes that lets the oldest go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tidegauge_exporter_datadog.payload import Parcel


class Waiting:
    """Requests in the order of their sending. Not for several threads: the caller has a lock."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parcels: deque[Parcel] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._parcels)

    def append(self, parcel: Parcel) -> int:
        """Take one at the end; return how many of the oldest had to go."""
        self._parcels.append(parcel)
        self.size_bytes += parcel.size_bytes
        return self._shrink()

    def put_back(self, parcels: Iterable[Parcel]) -> int:
        """Take some at the beginning, in their order; return how many of the oldest had to go."""
        found = list(parcels)
        self._parcels.extendleft(reversed(found))
        self.size_bytes += sum(parcel.size_bytes for parcel in found)
        return self._shrink()

    def pop(self) -> Parcel:
        """Return the oldest, which waits no more."""
        parcel = self._parcels.popleft()
        self.size_bytes -= parcel.size_bytes
        return parcel

    def clear(self) -> int:
        """Let all of them go; return how many they were."""
        number = len(self._parcels)
        self._parcels.clear()
        self.size_bytes = 0
        return number

    def _shrink(self) -> int:
        gone = 0
        while self.size_bytes > self._max_bytes:
            self.pop()
            gone += 1
        return gone
