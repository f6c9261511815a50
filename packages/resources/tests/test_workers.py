"""Several workers of one launch: each measures itself, one of them the host, whoever is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="groups need Linux")

PROGRAM = Path(__file__).parent / "programs" / "workers.py"
LIMIT_S = 60.0
Ask = Callable[[str], Any]
HOST = "container_memory_usage_bytes"


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ask]]:
    """Start a launcher of three workers, each of which has predicted."""
    ours, theirs = [], []
    for _ in range(3):
        commands, answers = os.pipe(), os.pipe()
        theirs.append((commands[0], answers[1]))
        ours.append((os.fdopen(commands[1], "w"), os.fdopen(answers[0])))
    given = [end for ends in theirs for end in ends]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TIDEGAUGE_", "OTEL_"))}
    launcher = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAM, json.dumps(theirs)],
        pass_fds=given,
        env={**kept, "TIDEGAUGE_GROUP_DIR": str(tmp_path_factory.mktemp("groups"))},
    )
    for end in given:
        os.close(end)

    def asker(number: int) -> Ask:
        def ask(what: str) -> Any:
            print(json.dumps(what), file=ours[number][0], flush=True)
            return json.loads(ours[number][1].readline())

        return ask

    found = [asker(number) for number in range(3)]
    try:
        for ask in found:
            ask("a")
        found[0]("b")
        yield found
    finally:
        for told, heard in ours:
            with suppress(OSError):
                told.close()
            heard.close()
        with launcher:
            launcher.kill()


def scrape(ask: Ask) -> dict[str, float]:
    """Return the sum of each metric's series as a worker answers."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(ask("scrape")):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.1)


def test_what_workers_measure_of_themselves_adds_up(workers: list[Ask]) -> None:
    """Whichever of them is asked: their memory, and their models' shares of it."""
    pids = [ask("pid") for ask in workers]

    def is_sum(ask: Ask) -> bool:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        return abs(scrape(ask).get("process_memory_usage_bytes", 0) / resident - 1) < 0.05

    for ask in workers:
        until(partial(is_sum, ask))  # the others write down what they measure every few seconds
        found = scrape(ask)
        total = found["process_memory_usage_bytes"]
        assert pytest.approx(total) == found["model_memory_usage_bytes"]


def test_one_worker_measures_the_host(workers: list[Ask]) -> None:
    """Its values stand in every answer, once; the others have not even started to read them."""

    def has_rate(ask: Ask) -> bool:
        return "model_request_rate_per_second" in scrape(ask)

    for ask in workers:
        until(partial(has_rate, ask))
    values = [scrape(ask) for ask in workers]
    threads = [ask("threads") for ask in workers]
    assert 1 == sum("tidegauge-ContainerSource" in names for names in threads)
    assert all("tidegauge-GpuMemorySource" in names for names in threads)
    for found in values[1:]:
        # Of one container: three times as much would be a sum.
        assert found.get(HOST, 0.0) <= 1.5 * values[0].get(HOST, 0.0)
