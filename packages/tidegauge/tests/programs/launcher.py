"""A launcher of workers. It has loaded Tidegauge, unless it is told to leave that to its workers.

It is told how to start a worker, one line each; the worker connects to the test and evaluates what
it is sent.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any


def total(payloads: list[bytes]) -> bytes:
    """Merge as counts are merged."""
    return b"%d" % sum(map(int, payloads))


def crash_at(step: int) -> None:
    """Kill this process right before it changes the files for the ``step``-th time from now."""
    left = [step]

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return count

    for name in ("pwrite", "rename", "unlink", "rmdir", "mkdir", "link"):
        setattr(os, name, wrap(getattr(os, name)))


def serve(address: str) -> None:
    """Be a worker: answer until the test closes the connection."""
    from tidegauge import group, guard

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    this = group.current()
    this.predicts = this.attached = True
    this.archive_by("counters", total)
    names: dict[str, Any] = {"group": this, "guard": guard, "crash_at": crash_at}
    names |= {"os": os, "resource": resource, "time": time}
    with connection.makefile("rw") as channel:
        print(json.dumps(os.getpid()), file=channel, flush=True)
        for line in channel:
            try:
                answer = eval(line, names)  # noqa: S307 - the test's own words
            except Exception as error:
                answer = {"error": repr(error)}
            print(json.dumps(answer), file=channel, flush=True)
    os._exit(0)


def fork(address: str) -> None:
    """Start a worker as gunicorn does."""
    if os.fork() == 0:
        serve(address)


def start(method: str, address: str) -> None:
    """Start a worker as multiprocessing does."""
    multiprocessing.set_start_method(method, force=True)
    multiprocessing.Process(target=serve, args=(address,)).start()


def main() -> None:
    """Start what is asked for."""
    if "unaware" not in sys.argv:
        importlib.import_module("tidegauge")
    for line in sys.stdin:
        method, address = line.split()
        if method == "fork":
            fork(address)
        else:
            start(method, address)


if __name__ == "__main__":
    main()
