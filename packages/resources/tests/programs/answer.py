"""Run code that comes in by lines, in a process that has the driver's library; answer in lines."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from tidegauge.batch import ModelKey
from tidegauge.sources import ModelUse, Moment

DEFAULTS = {
    "gpus": 2, "init_error": 0, "lost": -1, "hang": 0, "mig": 0, "unsupported": -1,
    "energy": 5000, "errors": 0, "mixed": 0, "others_pid": 0, "hides_pids": 0,
}  # fmt: skip


def fake(**settings: int) -> None:
    """Set what the driver answers; all else as it is at first."""
    library = ctypes.CDLL("libnvidia-ml.so.1")
    for name, value in (DEFAULTS | settings).items():
        library.fake_set(name.encode(), ctypes.c_long(value))


def moment(now_s: float | None = None, **models: tuple[float, float]) -> Moment:
    """Return a moment of a process that began a while ago."""
    now_s = time.time() if now_s is None else now_s
    return Moment(now_s, now_s - 10, {ModelKey(n): ModelUse(*u) for n, u in models.items()})


def values(points: Any) -> dict[str, float]:
    """Return points by name and attributes."""
    return {"|".join((p.spec.name, *p.attributes)): p.value for p in points}


def main() -> None:
    """Answer until the other end closes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tools: dict[str, Callable[..., Any]] = {"fake": fake, "moment": moment, "values": values}
    for line in sys.stdin:
        names: dict[str, Any] = dict(tools)
        exec(json.loads(line), names)  # noqa: S102 - the tests' own code
        print(json.dumps(names.get("result")), file=answers, flush=True)


main()
