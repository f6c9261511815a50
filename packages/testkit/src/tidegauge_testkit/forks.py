"""Work in a forked child. For programs that tests start: nothing of Tidegauge is imported here."""

from __future__ import annotations

import json
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT_S = 30
_MOST_BYTES = 65_536


def in_child(work: Callable[[], Any]) -> Any:
    """Return what work returns in a forked child, as JSON gives it back.

    A child that hangs is ended by an alarm; of one that did not answer the status is said.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_LIMIT_S)
        try:
            os.write(theirs, json.dumps(work()).encode())
        except BaseException:  # the parent's code must not run here too
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(theirs)
    answer = os.read(ours, _MOST_BYTES)
    os.close(ours)
    _, status = os.waitpid(pid, 0)
    return json.loads(answer) if answer else f"no answer, status {status}"
