"""whylogs' import, begun with the first prediction: a job may end before it is there."""

from __future__ import annotations

import threading
from contextlib import suppress

from tidegauge_exporter_whylabs import sketches


class Loading:
    """Imports whylogs on a thread of its own, from the beginning on.

    It is started on the thread that predicts first: from Python 3.12 on no other can start one once
    the main thread has ended, and what profiles rows is started by the background.
    """

    def __init__(self) -> None:
        self._done = threading.Event()
        thread = threading.Thread(target=self._load, name="tidegauge-whylabs-load", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends: nothing is to be waited for
            self._done.set()

    def _load(self) -> None:
        with suppress(Exception):  # whoever needs it meets the same, and says so
            sketches.load_whylogs()
        self._done.set()

    def wait(self, timeout_s: float) -> None:
        """Wait within a limit until whylogs can be used, or cannot."""
        self._done.wait(timeout_s)
