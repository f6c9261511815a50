"""What the hot path and the background share in one process.

``shared`` is one object with slots: callers read ``stride``, ``clock`` and ``ident`` from it.
"""

from __future__ import annotations

import logging
from _thread import get_ident
from collections.abc import Callable

from tidegauge import clock
from tidegauge.channel import Channels
from tidegauge.configuration import CoreSettings
from tidegauge.misconfiguration import misconfigured
from tidegauge.settings import load_what_is_right

_logger = logging.getLogger("tidegauge")
_UNREAD = CoreSettings()


class Shared:
    """State that callers read at each call."""

    __slots__ = ("channels", "clock", "ident", "settings", "stride")

    def __init__(self) -> None:
        #: One row in ``stride`` is kept; 0: none, the buffer is full.
        self.stride = 1
        self.clock = clock.system
        #: Tells apart what runs at the same time: threads, and greenlets once they are imported.
        self.ident: Callable[[], int] = get_ident
        self.channels = Channels()
        self.settings = _UNREAD


shared = Shared()


def read_settings() -> None:
    """Read the core's settings from the environment, unless ``configure()`` has set them.

    This is no place to raise: the first prediction gets here. A wrong value is one line, and the
    default in its place.
    """
    if shared.settings is not _UNREAD:
        return
    settings, errors = load_what_is_right(CoreSettings)
    shared.settings = settings
    for error in errors:
        misconfigured(_logger, error.subject, f"{error} Its default is in force.")
