"""The demo from its first line to its last."""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from tidegauge.command import Command, CommandError, Terminal

from tidegauge_distro import settings
from tidegauge_distro.cli.catalogue import Catalogue
from tidegauge_distro.demo import alarm, readings, workshop
from tidegauge_distro.demo.processes import Child, free_port, instrumented, stopped_by_signals
from tidegauge_distro.demo.readings import Reading
from tidegauge_distro.demo.screen import Screen
from tidegauge_distro.demo.traffic import RATE_PER_S, Traffic

WINDOW_ROWS = 300
PANE_S = 1
_COLD_REQUESTS = 1000
_WARM_REQUESTS = 1400
# Both phases, the start, the last window and the alert together stay below two minutes.
_PHASE_LIMIT_S = 32.0
_START_LIMIT_S = 40.0
_ALERT_LIMIT_S = 10.0
# A pane closes 3 s after its end; then a verdict is there with the next tick.
_SETTLE_S = PANE_S + 4.0
_LOOK_S = 1.0

_MODULES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "sklearn": "scikit-learn",
    "pandas": "pandas",
    "httpx": "httpx",
    "prometheus_client": "prometheus-client",
}
_COMMANDS = {"reference build": "tidegauge-drift", "rules render": "tidegauge-alerting"}


@dataclass(slots=True)
class Seen:
    """What the demo has observed, for the last lines."""

    drift_after_s: float | None = None
    drift_after_requests: int | None = None
    counted_cold: int = 0
    false_alarms: list[str] = field(default_factory=list)
    alerts: dict[tuple[str, str], str] = field(default_factory=dict)
    firing_after_s: dict[str, float] = field(default_factory=dict)


class Story:
    """One run of the demo in a temporary folder."""

    def __init__(self, screen: Screen, folder: Path, window_rows: int) -> None:
        self._screen = screen
        self._folder = folder
        self._window_rows = window_rows
        self._metrics = ""
        self._prometheus: str | None = None
        self._app: Child | None = None
        self._seen = Seen()
        self._reading = Reading()
        self._warm_since_s: float | None = None

    def run(self, cold: int, warm: int) -> bool:
        """Play everything; True when the drift was seen and nothing before it."""
        say = self._screen.say
        prepared = self._prepare()
        with contextlib.ExitStack() as stack:
            url = self._serve(stack)
            first = Traffic(url, prepared.cold, cold, _PHASE_LIMIT_S)
            say(f"\nPhase 1: {cold} requests with cold rows that the model has not seen, one row a "
                "request.")  # fmt: skip
            self._play("cold months", first)
            self._settle("cold months", first)
            self._seen.false_alarms = self._raised()
            self._seen.counted_cold = self._reading.requests
            self._screen.table(f"After {first.sent} cold requests", self._reading)
            say(f"\nPhase 2: {warm} requests with rows of June to August. The app is the same.")
            self._warm_since_s = time.monotonic()
            second = Traffic(url, prepared.warm, warm, _PHASE_LIMIT_S)
            self._play("warm months", second)
            self._settle("warm months", second)
            self._screen.table(f"After {second.sent} warm requests", self._reading)
            self._await_alert("warm months", second)
        return self._summary(first, second)

    def _prepare(self) -> workshop.Prepared:
        say = self._screen.say
        say("Bikes rented in Washington, D.C., by the hour "
            "(UCI Bike Sharing, CC BY 4.0, Fanaee-T & Gama 2013).")  # fmt: skip
        prepared = workshop.prepare(self._folder)
        say(f"A model was fitted on {prepared.fitted} hours of November to March. "
            f"On hours that it has not seen it is off by {prepared.error:.0f} of "
            f"{prepared.typical:.0f} bikes.")  # fmt: skip
        say(f"Its reference: {prepared.reference_command}")
        say("Rows are shuffled within each phase, so that they are independent of each other.")
        return prepared

    def _serve(self, stack: contextlib.ExitStack) -> str:
        say = self._screen.say
        port, metrics_port = free_port(), free_port()
        own = {
            "OTEL_PYTHON_DISTRO": "tidegauge_distro",
            "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
            "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
            "TIDEGAUGE_MODEL_NAME": workshop.MODEL,
            "TIDEGAUGE_REFERENCE": workshop.REFERENCE_FILE,
            "TIDEGAUGE_DRIFT_WINDOWS": f"{self._window_rows}rows",
            "TIDEGAUGE_DRIFT_PANE_S": str(PANE_S),
        }
        words = ["uvicorn", "app:app", "--port", str(port), "--no-access-log"]
        say("\nThe app, unmodified:\n")
        say((self._folder / "app.py").read_text())
        shown = " ".join(f"{name}={value}" for name, value in own.items() if "PYTHON" not in name)
        say(f"Its start: {shown} opentelemetry-instrument {' '.join(words)}")
        say(f"Windows of {self._window_rows} rows and panes of {PANE_S} s make the demo short; the "
            "defaults are 1000 rows, 1 day and 10 s.")  # fmt: skip
        # What the demo leaves behind explains nothing to anybody.
        state = {"TIDEGAUGE_STATE_DIR": str(self._folder / "state")}
        environ = {**_clean(settings.environment()), **state, **own}
        self._app = stack.enter_context(Child("app", instrumented(words), self._folder, environ))
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        self._app.answers(self._metrics, _START_LIMIT_S)
        self._app.answers(f"http://127.0.0.1:{port}/openapi.json", _START_LIMIT_S)
        say(f"Metrics: {self._metrics}")
        program = alarm.find()
        if program is None:
            say("Prometheus is not installed here: the drift is shown without alerts.")
        else:
            child, self._prometheus = alarm.start(program, self._folder, metrics_port)
            stack.enter_context(child)
            child.answers(f"{self._prometheus}/-/ready", _START_LIMIT_S)
            say(f"Alerts: {self._prometheus}/alerts, rules by: {alarm.RENDER}")
        return f"http://127.0.0.1:{port}/predict"

    # -- watching ------------------------------------------------------------------------------

    def _play(self, phase: str, traffic: Traffic) -> None:
        traffic.run(lambda: self._look(phase, traffic), _LOOK_S)

    def _settle(self, phase: str, traffic: Traffic) -> None:
        """Wait until the last pane is closed and judged."""
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            self._look(phase, traffic)
            time.sleep(_LOOK_S)
        self._look(phase, traffic)

    def _await_alert(self, phase: str, traffic: Traffic) -> None:
        until = time.monotonic() + _ALERT_LIMIT_S
        while self._prometheus and not self._seen.firing_after_s and time.monotonic() < until:
            self._look(phase, traffic)
            time.sleep(_LOOK_S)

    def _look(self, phase: str, traffic: Traffic) -> None:
        if self._app is not None:
            self._app.check()
        with contextlib.suppress(OSError):  # a busy app answers the next time
            self._reading = readings.scrape(self._metrics)
        alerts = None
        if self._prometheus is not None:
            with contextlib.suppress(OSError):
                self._seen.alerts = readings.alerts(self._prometheus)
            alerts = self._seen.alerts
        if self._warm_since_s is not None:
            self._note(time.monotonic() - self._warm_since_s, traffic.sent)
        self._screen.show(phase, traffic.sent, traffic.requests, self._reading, alerts)

    def _note(self, seconds: float, requests: int) -> None:
        seen = self._seen
        if seen.drift_after_s is None and self._raised():
            seen.drift_after_s, seen.drift_after_requests = seconds, requests
            self._screen.say(f"  drift detected {seconds:.0f} s after the first warm request")
        for (name, _), state in seen.alerts.items():
            if state == "firing" and name not in seen.firing_after_s:
                seen.firing_after_s[name] = seconds
                self._screen.say(
                    f"  alert {name} is firing, {seconds:.0f} s after the first warm request"
                )

    def _raised(self) -> list[str]:
        return sorted(name for name, raised in self._reading.families.items() if raised)

    # -- the end -------------------------------------------------------------------------------

    def _summary(self, first: Traffic, second: Traffic) -> bool:
        say, seen = self._screen.say, self._seen
        say("\nWhat was seen:")
        counted = self._reading.requests - seen.counted_cold
        for name, traffic, counts in (
            ("cold", first, seen.counted_cold),
            ("warm", second, counted),
        ):
            rate = traffic.sent / max(traffic.seconds, 1e-9)
            short = ", cut short by the time limit" if traffic.cut_short else ""
            say(f"  {name}: {traffic.answered} requests answered, {traffic.failed} failed, in "
                f"{traffic.seconds:.0f} s ({rate:.0f}/s of at most {RATE_PER_S:.0f}/s){short}; "
                f"model_requests_total counted {counts}")  # fmt: skip
        quiet = "no drift" if not seen.false_alarms else "DRIFT in " + ", ".join(seen.false_alarms)
        say(f"  cold months: {quiet}")
        if seen.drift_after_s is None and second.cut_short:
            say("  warm months: this machine was too slow for two windows in the time limit")
        elif seen.drift_after_s is None:
            say("  warm months: no drift was detected. That should not be: please report it.")
        else:
            moved = [name for name, raised in self._reading.detected.items() if raised]
            moved.sort(key=lambda name: -self._reading.psi.get(name, 0.0))
            say(f"  warm months: drift after {seen.drift_after_s:.0f} s and "
                f"{seen.drift_after_requests} requests; moved: {', '.join(moved)}")  # fmt: skip
        if self._prometheus is not None:
            say(f"  alerts: {_alert_states(seen.alerts)}")
        say("\nYour own model: `tidegauge reference build --help`, then `tidegauge doctor`.")
        return seen.drift_after_s is not None and not seen.false_alarms


def _alert_states(alerts: Mapping[tuple[str, str], str]) -> str:
    states: dict[str, str] = {}
    for (name, _), state in sorted(alerts.items(), key=lambda item: item[1], reverse=True):
        states[name] = state  # firing comes after pending and wins
    return ", ".join(f"{name} {state}" for name, state in sorted(states.items())) or "none"


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what the user has set for an app of theirs."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("OTEL_", "TIDEGAUGE_", "PROMETHEUS_"))
    }


def _check_installed() -> None:
    missing = [
        package for module, package in _MODULES.items() if importlib.util.find_spec(module) is None
    ]
    names = Catalogue().names()
    missing += [package for name, package in _COMMANDS.items() if name not in names]
    if missing:
        raise CommandError(
            f"The demo needs {', '.join(missing)}. pip install 'tidegauge-distro[demo]'."
        )


def _arguments(parser: ArgumentParser) -> None:
    # For tests: shorter windows and phases, otherwise the same.
    parser.add_argument("--window", type=int, default=WINDOW_ROWS, help=SUPPRESS)
    parser.add_argument("--cold", type=int, default=_COLD_REQUESTS, help=SUPPRESS)
    parser.add_argument("--warm", type=int, default=_WARM_REQUESTS, help=SUPPRESS)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    _check_installed()
    console: Any = getattr(terminal, "console", None)
    screen = Screen(terminal, console if isinstance(console, Console) else None)
    with (
        stopped_by_signals(),
        tempfile.TemporaryDirectory(prefix="tidegauge-demo-") as folder,
        screen,
    ):
        story = Story(screen, Path(folder), arguments.window)
        return 0 if story.run(arguments.cold, arguments.warm) else 1


COMMAND = Command(
    summary="Show drift and an alert on real data, in under two minutes.",
    example="tidegauge demo",
    arguments=_arguments,
    run=_run,
)
