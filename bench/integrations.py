"""What each integration costs its app: the caller of a prediction, and the start.

``python bench/integrations.py [NAME ...]``. A call is measured with a stand-in for the library's
method that answers at once what the library has answered, in units of O: one OpenTelemetry
``Histogram.record`` with three attributes, measured in the same rounds.

Values that do not lie open, those of a tensor or of a list of dicts, have to be asked for, and some
libraries whether they predict at all. The least that this takes, with nothing of Tidegauge, is
measured in the same rounds too, and the limit of an outermost call is above it: nobody saves it.
"""

from __future__ import annotations

import functools
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import scenarios
from caller import TRIALS, clear
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from rounds import interleave
from tidegauge.pipeline import Pipeline
from tidegauge.suppression import suppress
from tidegauge_testkit.contracts.case import arguments, stand_in
from tidegauge_testkit.contracts.scenario import Scenario

#: In O.
OUTERMOST = 0.25
NESTED = 0.1
#: Seconds of an app's start with all integrations, in those without any.
START = 1.2

STARTS = 5
APP = Path(__file__).parent / "app.py"


def calls(scenario: Scenario) -> dict[str, float]:
    """Return what an outermost and a nested call with one row add, and the library's own, in O."""
    instrumentor = scenario.instrumentor()
    instrumentor.instrument(skip_dep_check=True)
    owner, name = scenario.owner()
    value: Any = vars(owner)[name]
    wrapper = getattr(value, "fn", value)
    model, data = scenario.fit(), scenario.data(1)
    with arguments(wrapper) as found:
        answer = scenario.predict(model, data)
    args, named = found[0]

    def bare(*_: object, **__: object) -> object:
        return answer

    meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
    record = meter.create_histogram("h").record
    attributes = {"model": "fraud", "version": "3", "status": "ok"}
    cases = {
        "O": lambda: record(0.01, attributes),
        "bare": functools.partial(bare, *args, **named),
        "watched": functools.partial(wrapper, *args, **named),
    }
    asked = scenario.least(args, answer)
    if asked is not None:
        cases["least"] = asked
    with stand_in(wrapper, bare):
        outermost = interleave(cases, between=clear)
        with suppress():
            nested = interleave(cases, between=clear)
    instrumentor.uninstrument()
    return {
        "outermost": (outermost["watched"] - outermost["bare"]) / outermost["O"],
        "nested": (nested["watched"] - nested["bare"]) / nested["O"],
        "least": outermost.get("least", 0.0) / outermost["O"],
    }


def starts(paths: list[Path], number: int) -> tuple[float, float]:
    """Return the CPU seconds of an app without and with all integrations: medians of processes."""
    found: dict[str, list[float]] = {"none": [], "all": []}
    for turn in range(number):
        for mode in ("none", "all") if turn % 2 else ("all", "none"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-W", "ignore", APP, mode, *paths],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                check=True,
                capture_output=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found[mode].append(spent)
    return statistics.median(found["none"]), statistics.median(found["all"])


def line(name: str, without: float, having: float) -> str:
    """Return a line of the second table."""
    return f"  {name:<34} {without:13.2f}   {having:10.2f}   {having / without:5.2f}"


def main() -> int:
    """Print the tables; status 1 where a limit is passed in each of three trials."""
    Pipeline.start = lambda _: None  # type: ignore[method-assign]
    chosen = sys.argv[1:]
    failed, there = False, []
    print("\nCaller's thread, one row, in O (one Histogram.record with 3 attributes)")
    print(f"  {'':<34} outermost <= {OUTERMOST}   nested <= {NESTED}")
    for path in scenarios.files():
        name = path.parent.parent.name
        if chosen and name not in chosen:
            continue
        for scenario in scenarios.of(scenarios.load(path)):
            if not scenarios.is_installed(scenario.library):
                print(f"  {name:<34} skipped: {scenario.library} is not installed")
                continue
            there.append(path)
            os.environ.update(scenario.environ)  # for the apps, which start with them
            if not isinstance(scenario, Scenario):
                print(f"  {name:<34} predicts nothing")
                continue
            trials = [calls(scenario) for _ in range(TRIALS)]
            outermost = min(trial["outermost"] for trial in trials)
            nested = min(trial["nested"] for trial in trials)
            least = min(trial["least"] for trial in trials)
            slow = nested > NESTED or all(
                trial["outermost"] > OUTERMOST + trial["least"] for trial in trials
            )
            failed |= slow
            verdict = "TOO SLOW" if slow else "ok"
            if least:
                verdict += f", {least:.3f} of it is the least that {scenario.library}'s values take"
            print(f"  {name:<34} {outermost:8.3f}         {nested:8.3f}   {verdict}", flush=True)
    print("\nStart of an app (imports, fit, one prediction), all integrations installed")
    print(f"  {'':<34} CPU s without   CPU s with   ratio")
    for path in dict.fromkeys(there):
        without, having = starts([path], 3)
        name = f"{path.parent.parent.name} alone (for information)"
        print(
            f"  {name:<34} {without:13.2f}   {having:10.2f}   {having / without:5.2f}", flush=True
        )
    without, having = starts(list(dict.fromkeys(there)), STARTS)
    slow = having > START * without
    verdict = "TOO SLOW" if slow else "ok"
    print(
        f"  {'all of them':<34} {without:13.2f}   {having:10.2f}   {having / without:5.2f}  "
        f"<= {START} {verdict}"
    )
    return int(failed or slow)


if __name__ == "__main__":
    sys.exit(main())
