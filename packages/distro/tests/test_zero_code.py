"""What happens under ``opentelemetry-instrument``, in real processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]

EXPORTERS = """
import json, os
print(json.dumps({k: v for k, v in os.environ.items() if k.endswith("S_EXPORTER")}))
"""
SCRAPE = """
import urllib.request
from tidegauge_exporter_prometheus.readers import running

port = running()[0].port
print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").status)
"""


def complaints(stderr: str) -> list[str]:
    """Return what was written, without what is said of other packages, rightly."""
    others = ("is set by OTEL_PYTHON_CONFIGURATOR", "opentelemetry-instrumentation: got ")
    return [line for line in stderr.splitlines() if not any(text in line for text in others)]


def test_the_first_run_is_quiet_and_answers_a_scrape(zero_code: Run) -> None:
    """With nothing set, metrics are served and nobody tries to connect anywhere."""
    done = zero_code(EXPORTERS + SCRAPE)
    first, second = done.stdout.splitlines()
    assert json.loads(first) == {
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    assert second == "200"
    assert complaints(done.stderr) == []
    assert done.returncode == 0


def test_what_the_user_set_stays(zero_code: Run) -> None:
    """The exporters of the environment are not touched."""
    done = zero_code(EXPORTERS, OTEL_METRICS_EXPORTER="none", OTEL_TRACES_EXPORTER="console")
    found = json.loads(done.stdout)
    assert (found["OTEL_METRICS_EXPORTER"], found["OTEL_TRACES_EXPORTER"]) == ("none", "console")


def test_one_bad_exporter_does_not_end_the_others(zero_code: Run) -> None:
    """A wrong name is one ERROR line; the endpoint beside it still answers."""
    done = zero_code(SCRAPE, OTEL_METRICS_EXPORTER="promethoos,tidegauge_prometheus")
    assert done.stdout.strip() == "200"
    (line,) = complaints(done.stderr)
    assert line.startswith("OTEL_METRICS_EXPORTER: got 'promethoos' from the environment;")
    assert line.endswith("Metrics go to tidegauge_prometheus now.")


def test_an_exporter_that_fails_leaves_the_app_alone(zero_code: Run) -> None:
    """What OpenTelemetry cannot set up is one line, and the app runs."""
    done = zero_code(
        "print('served')", OTEL_METRICS_EXPORTER="otlp", OTEL_EXPORTER_OTLP_TIMEOUT="soon"
    )
    assert done.stdout.strip() == "served"
    (line,) = complaints(done.stderr)
    assert line.startswith("OpenTelemetry could not be set up, telemetry of this process is off:")


def test_a_bad_setting_of_the_endpoint_is_one_error_and_the_app_runs(zero_code: Run) -> None:
    """The component with the bad setting is off; nothing else is."""
    done = zero_code("print('served')", OTEL_EXPORTER_PROMETHEUS_PORT="ninety")
    assert done.stdout.strip() == "served"
    (line,) = complaints(done.stderr)
    assert line.startswith("OTEL_EXPORTER_PROMETHEUS_PORT: got 'ninety' from the environment;")


def test_a_bad_setting_of_the_core_is_one_error_at_the_start(zero_code: Run) -> None:
    """The message has the value and what is allowed; the other settings are in force."""
    code = (
        "import tidegauge\n"
        "with tidegauge.Model('m').prediction([1.0]) as p: p.output = 1.0\n"
        "print('served')"
    )
    done = zero_code(code, TIDEGAUGE_CPU_BUDGET_PERCENT="200")
    assert done.stdout.strip() == "served"
    assert complaints(done.stderr) == [
        (
            "TIDEGAUGE_CPU_BUDGET_PERCENT: got '200.0' from the environment; expected a number in "
            "[0.01, 100]. Unset it to use 2.0. Its default is in force."
        )
    ]


def test_a_bad_setting_of_drift_is_one_error_at_the_start(zero_code: Run) -> None:
    """It is not left to the first prediction to find out."""
    done = zero_code("print('served')", TIDEGAUGE_DRIFT_PANE_S="0")
    assert done.stdout.strip() == "served"
    (line,) = complaints(done.stderr)
    assert line.startswith(
        "TIDEGAUGE_DRIFT_PANE_S: got '0' from the environment; expected an integer in [1, 3600]."
    )


def test_a_missing_reference_is_one_error_at_the_start(zero_code: Run) -> None:
    """The file is named, and the app runs."""
    done = zero_code("print('served')", TIDEGAUGE_REFERENCE="lost.reference.json")
    assert done.stdout.strip() == "served"
    (line,) = complaints(done.stderr)
    assert "lost.reference.json" in line


def test_the_settings_of_the_core_are_in_force(zero_code: Run) -> None:
    """What is set in the environment reaches the core."""
    code = "from tidegauge.runtime import shared; print(shared.settings.buffer_bytes)"
    assert zero_code(code, TIDEGAUGE_BUFFER_BYTES="70000").stdout.strip() == "70000"


def test_an_unknown_setting_is_warned_of_once_with_the_nearest_name(zero_code: Run) -> None:
    """A typing error does not stay silent."""
    done = zero_code("", TIDEGAUGE_MODEL_NAM="fraud")
    assert complaints(done.stderr) == [
        (
            "TIDEGAUGE_MODEL_NAM: no setting has this name, it has no effect. "
            "Did you mean TIDEGAUGE_MODEL_NAME?"
        )
    ]


def test_an_instrumentor_that_raises_does_not_end_the_others(
    zero_code: Run, plugin: Callable[[str, str, str], dict[str, str]]
) -> None:
    """The broken one is named with what leaves it out; the one after it starts."""
    environ = plugin(
        "two_instrumentors",
        """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor


class Broken(BaseInstrumentor):
    def instrumentation_dependencies(self): return []
    def _instrument(self, **kwargs): raise ValueError("not today")
    def _uninstrument(self, **kwargs): pass


class Good(Broken):
    _instance = None
    def _instrument(self, **kwargs): print("good started")
""",
        "[opentelemetry_instrumentor]\na_broken = two_instrumentors:Broken\n"
        "b_good = two_instrumentors:Good\n",
    )
    done = zero_code("print('served')", **environ)
    assert done.stdout.splitlines() == ["good started", "served"]
    assert complaints(done.stderr) == [
        (
            "Instrumentor 'a_broken' (two_instrumentors:Broken) could not be started: ValueError: "
            "not today. The others are not affected; "
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=a_broken leaves it out."
        )
    ]
