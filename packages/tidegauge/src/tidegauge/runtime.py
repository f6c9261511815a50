"""What the hot path and the background share in one process.

``shared`` is one object with slots: callers read ``stride`` and ``clock`` from it, nothing else.
"""

from __future__ import annotations

from tidegauge import clock
from tidegauge.channel import Channels
from tidegauge.configuration import CoreSettings


class Shared:
    """State that callers read at each call."""

    __slots__ = ("channels", "clock", "settings", "stride")

    def __init__(self) -> None:
        #: One row in ``stride`` is kept; 0: none, the buffer is full.
        self.stride = 1
        self.clock = clock.system
        self.channels = Channels()
        self.settings = CoreSettings()


shared = Shared()
