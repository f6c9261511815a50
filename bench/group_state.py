"""What sharing the state of a launch's workers costs, a second of each worker and of the leader.

Ten models of 100 features: a pane of 26 KB for each, and the counts of all, written once a second
beside seven other workers who did the same. A record by ``mmap`` is the peer of one by ``pwrite``.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rounds import interleave
from tidegauge.group import Group
from tidegauge.group.launch import detect

MODELS = 10
WORKERS = 8
PANE_BYTES = 26_000
COUNTERS_BYTES = 40_000
#: Of one core, for what a worker does each second.
LIMIT_PERCENT = 1.0
SECOND_US = 1e6
#: Payloads that differ, so that nothing is written over itself.
PAYLOADS = 7


class Mapped:
    """A record as it would be in mapped memory: two copies, the same checksum."""

    def __init__(self, path: Path) -> None:
        self._slot = 2 * PANE_BYTES
        path.write_bytes(bytes(2 * self._slot))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 2 * self._slot)
        self._sequence = 0

    def write(self, payload: bytes) -> None:
        """Write over the older copy."""
        self._sequence += 1
        head = self._sequence.to_bytes(8, "little") + len(payload).to_bytes(8, "little")
        digest = blake2b(head, digest_size=8)
        digest.update(payload)
        start = self._sequence % 2 * self._slot
        self._map[start + 24 : start + 24 + len(payload)] = payload
        self._map[start : start + 24] = head + digest.digest()

    def close(self) -> None:
        """Unmap it."""
        self._map.close()


def join(folder: Path) -> Group:
    """Return a worker of this launch that has published once."""
    group = Group(replace(detect({}), child=True), folder)
    group.predicts = group.attached = True
    group.archive_by("counters", b"".join)
    for publish in publishing(group):
        publish()
    return group


def publishing(group: Group) -> list[Callable[[], Any]]:
    """Return what one worker writes each second."""
    payloads = [os.urandom(COUNTERS_BYTES) for _ in range(PAYLOADS)]
    turn = [0]

    def write(name: str, size: int) -> Callable[[], Any]:
        def publish() -> None:
            turn[0] += 1
            group.publish(name, payloads[turn[0] % PAYLOADS][:size])

        return publish

    panes = [write(f"pane.{number}", PANE_BYTES) for number in range(MODELS)]
    return [*panes, write("counters", COUNTERS_BYTES)]


def main() -> int:
    """Print the figures; status 1 above the limit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        groups = [join(folder / "groups") for _ in range(WORKERS)]
        for group in groups:
            stack.callback(group._descriptors.abandon)
        leader, worker = groups[0], groups[1]
        leader._began_s -= 10.0
        for group in groups:
            group.tick(0.0)
        everything = publishing(worker)
        mapped = Mapped(folder / "mapped")
        stack.callback(mapped.close)
        payload = os.urandom(PANE_BYTES)
        alone = Group(replace(detect({}), child=False), folder / "nothing")
        alone.predicts = True
        costs = interleave(
            {
                "publish": lambda: [publish() for publish in everything],
                "tick": lambda: worker.tick(0.0),
                "lead": lambda: leader.tick(0.0),
                "alone": lambda: alone.tick(0.0),
                "scrape": lambda: leader.named("counters"),
                "pwrite": lambda: worker.publish("pane.0", payload),
                "mmap": lambda: mapped.write(payload),
            },
            calls=20,
            rounds=50,
        )
        assert leader.leads
        assert len(leader.named("counters")) == WORKERS
    worker_percent = (costs["publish"] + costs["tick"]) / SECOND_US * 100
    leader_percent = (costs["publish"] + costs["lead"]) / SECOND_US * 100
    print(f"\nState of a launch, {WORKERS} workers, {MODELS} models of 100 features, a second")
    print(f"  alone                     {costs['alone']:7.0f} us")
    print(f"  a worker                  {worker_percent:7.3f} % of a core  <= {LIMIT_PERCENT}")
    print(f"  the leader                {leader_percent:7.3f} % of a core  <= {LIMIT_PERCENT}")
    print(f"  reading all counts        {costs['scrape']:7.0f} us a scrape")
    print(f"  one record of {PANE_BYTES // 1000} KB       {costs['pwrite']:7.1f} us by pwrite")
    print(f"                            {costs['mmap']:7.1f} us by mmap")
    return int(max(worker_percent, leader_percent) > LIMIT_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
