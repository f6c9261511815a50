"""What counting a launch together costs the background: writing down, reading, adding up."""

from __future__ import annotations

import random
import sys

import numpy as np
from rounds import interleave
from tidegauge import codec
from tidegauge.batch import ModelKey
from tidegauge.channel import Channel, Plain
from tidegauge.info import ModelInfo
from tidegauge.snapshot import take
from tidegauge.tally import Tally
from tidegauge.totals import merge, of_tally, shown

MODELS = (1, 10, 100, 1000)
WORKERS = 8
CALLS = 500
SECOND_US = 1e6
#: Of one core, for what a worker of so many models does each second.
USUAL = 10
LIMIT_PERCENT = 1.0


def counted(models: int) -> Tally:
    """Return the counts of a process with so many models."""
    tally, draw = Tally(), random.Random(1)
    for number in range(models):
        call(tally, number, CALLS, draw)
    return tally


def call(tally: Tally, number: int, calls: int, draw: random.Random) -> None:
    """Count calls of a model."""
    channel = Channel(ModelKey(f"model-{number}"), "predict", ModelInfo("f", "C"))
    tally.touch(channel.key, channel.operation)
    outputs = [take(np.array([[draw.random()]]), 0, 1) for _ in range(calls)]
    entries: list[Plain] = [
        (1.7e9, draw.lognormvariate(-6, 1.5), 1, None, None, output, 1, None) for output in outputs
    ]
    for batch in tally.add(channel, entries):
        del batch


def main() -> int:
    """Print the figures; status 1 above the limit."""
    print(f"\nCounts of a launch, {WORKERS} workers, CPU time of the background")
    percent = 0.0
    for models in MODELS:
        tally = counted(models)
        payload = codec.encode(of_tally(tally))
        writer, draw = codec.Writer(tally), random.Random(2)

        def again(writer: codec.Writer = writer, draw: random.Random = draw) -> None:
            call(writer.tally, 0, 1, draw)
            writer.write((), {})

        costs = interleave(
            {
                "write": lambda tally=tally: codec.Writer(tally).write((), {}),  # type: ignore[misc]
                "again": again,
                "answer": lambda payload=payload: shown(  # type: ignore[misc]
                    merge([codec.decode(payload)[0] for _ in range(WORKERS)])
                ),
            },
            calls=1,
            rounds=15 if models <= USUAL else 3,
        )
        print(f"  {models:3} models each: {len(payload) / 1e3:4.0f} KB, ", end="")
        print(
            f"{costs['write'] / 1e3:6.2f} ms to write, {costs['again'] / 1e3:5.2f} ms after a call"
        )
        print(f"  {'':3}              {costs['answer'] / 1e3:6.1f} ms to answer for all")
        if models == USUAL:
            percent = costs["write"] / SECOND_US * 100
    print(f"  {USUAL} models, a second: {percent:.3f} % of a core  <= {LIMIT_PERCENT}")
    return int(percent > LIMIT_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
