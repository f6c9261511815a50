"""``tidegauge doctor`` in real environments."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tidegauge_distro import startup
from tidegauge_distro.cli import program
from tidegauge_distro.doctor import endpoint
from tidegauge_semconv import Kind, all_metrics

Run = Callable[..., subprocess.CompletedProcess[str]]
Environment = Callable[..., dict[str, str]]
LIMIT_S = 60.0
REFERENCE = "m.reference.json"
SCRIPTS = Path(sysconfig.get_path("scripts"))

HEALTHY = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "", "OTEL_METRICS_EXPORTER": "console"}
OLD = startup.old_instrumentation(startup.instrumentation_version())
VAULT = """
from dataclasses import dataclass
from tidegauge.settings import setting


@dataclass(frozen=True, slots=True)
class VaultSettings:
    key: str = setting("TIDEGAUGE_VAULT_KEY", "", "The key.", secret=True)
"""


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what ``doctor --json`` wrote."""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def build(folder: Path, *options: str, file: str = REFERENCE) -> None:
    """Build a reference as the command does, in this process: what is tried here is the doctor."""
    words = ("reference", "build", str(folder / "train.csv"), "-o", str(folder / file), *options)
    assert program.main(words) == 0


def problems(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what is to be put right, but for the age of the environment that is tested."""
    found: list[str] = report(done)["problems"]
    return [problem for problem in found if problem != OLD]


def rows(found: dict[str, Any], title: str) -> dict[str, dict[str, str]]:
    """Return a section's records by the value of their first column."""
    return {next(iter(row.values())): row for row in found["sections"][title]}


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """Serve one body for every path; the body can be changed."""
    body = [b"hello"]

    class Handler(BaseHTTPRequestHandler):
        server_version = "Harbour/1"
        sys_version = ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body[0])

        def log_message(self, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield http.server_address[1], body
        http.shutdown()
        thread.join()


@pytest.mark.skipif(OLD is not None, reason="an old instrumentation is to be put right")
def test_a_healthy_installation_ends_with_ok(tidegauge: Run) -> None:
    """Nothing to put right: the last line is ok and the status 0."""
    done = tidegauge("doctor", **HEALTHY)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ok")


def test_versions_and_winners_are_shown(tidegauge: Run) -> None:
    """The report has the versions in use and what OpenTelemetry would run."""
    found = report(tidegauge("doctor", "--json", **HEALTHY))
    packages = rows(found, "packages")
    assert version("opentelemetry-sdk") == packages["opentelemetry-sdk"]["version"]
    assert version("tidegauge") == packages["tidegauge"]["version"]
    assert (
        rows(found, "start-up under opentelemetry-instrument")["distro"]["runs"]
        == "tidegauge_distro"
    )


def test_settings_have_value_and_origin(tidegauge: Run) -> None:
    """What is set and what is a default can be told apart."""
    found = report(tidegauge("doctor", "--json", **HEALTHY, TIDEGAUGE_MODEL_NAME="fraud"))
    settings = rows(found, "settings")
    assert tuple(settings["TIDEGAUGE_MODEL_NAME"].values())[1:3] == ("fraud", "environment")
    assert tuple(settings["TIDEGAUGE_BUFFER_BYTES"].values())[1:3] == ("33554432", "default")


def test_a_setting_of_several_packages_is_shown_once(tidegauge: Run) -> None:
    """Drift and profiles read the same choice of features."""
    found = report(tidegauge("doctor", "--json", **HEALTHY))
    names = [row["name"] for row in found["sections"]["settings"]]
    assert 1 == names.count("TIDEGAUGE_FEATURES_INCLUDE")
    assert len(set(names)) == len(names)


def test_secrets_are_hidden(tidegauge: Run, plugin: Any) -> None:
    """A secret's value is nowhere in the report."""
    site = plugin("vault", VAULT, "[tidegauge_settings]\nvault = vault:VaultSettings\n")
    secrets = {
        "TIDEGAUGE_VAULT_KEY": "swordfish",
        # None belongs there; somebody will put one there.
        "TIDEGAUGE_MODEL_NAME": "https://bob:swordfish@host",
    }
    done = tidegauge("doctor", "--json", **HEALTHY, **site, **secrets)
    shown = rows(report(done), "settings")
    assert shown["TIDEGAUGE_VAULT_KEY"]["value"] == "(hidden)"
    assert shown["TIDEGAUGE_MODEL_NAME"]["value"] == "https://(hidden)@host"
    assert "swordfish" not in done.stdout + done.stderr


def test_what_is_wrong_is_numbered_and_the_status_is_1(tidegauge: Run) -> None:
    """Bad and unknown settings and exporters each get a line that says what to do."""
    done = tidegauge(
        "doctor",
        OTEL_METRICS_EXPORTER="consol",
        TIDEGAUGE_BUFFER_BYTES="much",
        TIDEGAUGE_MODEL_NAM="fraud",
        OTEL_PYTHON_DISTRO="nobody",
    )
    assert done.returncode == 1
    lines = done.stdout.split("To put right:\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == [f"{i + 1}." for i in range(len(lines))]
    said = [line.split(" ", 1)[1] for line in lines[OLD is not None :]]
    assert said[0].startswith("OTEL_PYTHON_DISTRO: got 'nobody' from the environment;")
    assert said[1].startswith("OTEL_METRICS_EXPORTER: got 'consol' from the environment;")
    assert said[2].startswith("TIDEGAUGE_BUFFER_BYTES: got 'much' from the environment;")
    assert said[3].endswith("Did you mean TIDEGAUGE_MODEL_NAME?")


def test_a_broken_plugin_is_a_problem_and_no_traceback(tidegauge: Run, plugin: Any) -> None:
    """An integration that cannot be imported is named with its reason."""
    site = plugin(
        "tidegauge-wreck",
        "",
        "[opentelemetry_instrumentor]\nwreck = no_such_module:Instrumentor\n",
    )
    done = tidegauge("doctor", "--json", **HEALTHY, **site)
    assert (
        "wreck: cannot be loaded (ModuleNotFoundError: No module named 'no_such_module'). "
        "Repair or reinstall its package."
    ) in problems(done)
    assert "Traceback" not in done.stderr


def test_a_missing_reference_is_a_problem(tidegauge: Run) -> None:
    """The drift plugin's own message is passed on."""
    done = tidegauge("doctor", "--json", **HEALTHY, TIDEGAUGE_REFERENCE="lost.reference.json")
    (problem,) = problems(done)
    assert "lost.reference.json" in problem


def test_an_empty_folder_of_references_is_a_problem(tidegauge: Run, tmp_path: Path) -> None:
    """A folder without references would mean no drift, silently."""
    (tmp_path / "references").mkdir()
    done = tidegauge("doctor", "--json", **HEALTHY, TIDEGAUGE_REFERENCE="references")
    (problem,) = problems(done)
    assert problem.startswith("TIDEGAUGE_REFERENCE: got 'references' from the environment;")


def test_models_are_named_by_the_folder_of_their_references(tidegauge: Run, tmp_path: Path) -> None:
    """And by the setting; a name that is in both is one model."""
    (tmp_path / "references").mkdir()
    for name in ("fraud", "churn"):
        (tmp_path / "references" / f"{name}.reference.json").write_text("{}")
    done = tidegauge(
        "doctor", "--json", **HEALTHY, TIDEGAUGE_REFERENCE="references",
        TIDEGAUGE_WHYLABS_WRITER="whylabs", WHYLABS_DEFAULT_DATASET_ID="model-1",
        TIDEGAUGE_MODEL_NAME="a.onnx=fraud",
    )  # fmt: skip
    assert any("got no dataset of churn, fraud from" in each for each in problems(done))


@pytest.mark.parametrize(
    ("hours", "season", "said"),
    [
        (40, "", "its rows span 1.6 days, fewer than 2"),
        (300, "hour_of_week", "its rows span 1.8 weeks, fewer than 2"),
        (300, "hour", ""),
    ],
)
def test_a_reference_of_too_short_a_time_is_noted(
    tidegauge: Run, tmp_path: Path, hours: int, season: str, said: str
) -> None:
    """What a day or a week does may look like drift."""
    lines = [f"{3600 * hour},{hour % 7}" for hour in range(hours)]
    (tmp_path / "train.csv").write_text("\n".join(["at,a", *lines]), encoding="utf-8")
    more = ["--season", season] if season else []
    build(tmp_path, "--time-column", "at", *more)
    done = tidegauge("doctor", "--json", **HEALTHY, TIDEGAUGE_REFERENCE=REFERENCE)
    notes = [note for note in json.loads(done.stdout)["notes"] if "its rows span" in note]

    assert done.returncode == 0
    assert [note.split(": ")[1] for note in notes] == ([said] if said else [])


def test_a_warm_up_is_noted(tidegauge: Run, tmp_path: Path) -> None:
    """What is learnt, what is still to be, what a day of rows cannot tell; a folder is needed."""
    lines = [f"{3600 * hour},{hour % 7}" for hour in range(25)]
    (tmp_path / "train.csv").write_text("\n".join(["at,a", *lines]), encoding="utf-8")
    (tmp_path / "state").mkdir()
    for worker in ("0", "1"):
        (tmp_path / "state" / f"scores.7.{worker}.warmup").touch()
    file = "state/fraud.3.reference.json"
    build(tmp_path, "--time-column", "at", file=file)
    chosen = {**HEALTHY, "TIDEGAUGE_REFERENCE": "warmup:5000,24h"}
    done = tidegauge("doctor", "--json", **chosen, TIDEGAUGE_STATE_DIR="state")
    notes = json.loads(done.stdout)["notes"]
    lost = tidegauge("doctor", "--json", **chosen)

    assert any("learn their reference from live rows, 1 now" in note for note in notes)
    assert any(
        note.startswith("fraud.3.reference.json: its rows span 1.0 days, fewer than 2")
        for note in notes
    )
    assert problems(done) == []
    assert [problem.split(":")[0] for problem in problems(lost)] == ["TIDEGAUGE_STATE_DIR"]


def test_a_reference_is_read_and_its_series_are_counted(tidegauge: Run, tmp_path: Path) -> None:
    """Two features: 5 series each, two for the reference, 10 for each of two windows."""
    (tmp_path / "train.csv").write_text(
        "a,b\n" + "".join(f"{i % 90},{i % 7}\n" for i in range(400))
    )
    build(tmp_path)
    done = tidegauge("doctor", "--json", **HEALTHY, TIDEGAUGE_REFERENCE=REFERENCE)
    found = report(done)
    assert problems(done) == []
    reference = rows(found, "references")[REFERENCE]
    assert (reference["rows"], reference["features"]) == ("400", "2")
    (series,) = found["sections"]["series of a model in Prometheus, at most"]
    assert str(2 + 2 * 10 + 2 * 5) == series["drift"]
    assert series["drift's budget"] == "600"
    assert series["fleet, beside the budget"] == "0"


def test_segments_are_a_series_a_window_more(tidegauge: Run, tmp_path: Path) -> None:
    """Where the reference has some and the setting does not turn them off."""
    (tmp_path / "train.csv").write_text(
        "a,b\n" + "".join(f"{i % 90},{i % 2}\n" for i in range(800))
    )
    build(tmp_path, "--segment", "b")
    found = [
        report(tidegauge("doctor", "--json", TIDEGAUGE_REFERENCE=REFERENCE, **more))
        for more in ({**HEALTHY}, {**HEALTHY, "TIDEGAUGE_DRIFT_SEGMENTS": "false"})
    ]

    assert [str(2 + 2 * 11 + 2 * 5), str(2 + 2 * 10 + 2 * 5)] == [
        each["sections"]["series of a model in Prometheus, at most"][0]["drift"] for each in found
    ]


def test_the_family_of_correlations_is_counted(tidegauge: Run, tmp_path: Path) -> None:
    """One series more for each of two windows; a reference without them is a problem."""
    (tmp_path / "train.csv").write_text(
        "a,b\n" + "".join(f"{i % 90},{i % 7}\n" for i in range(400))
    )
    chosen = {"TIDEGAUGE_REFERENCE": REFERENCE, "TIDEGAUGE_DRIFT_CORRELATION": "true"}
    found = []
    for option in ((), ("--correlation",)):
        build(tmp_path, *option)
        found.append(tidegauge("doctor", "--json", **HEALTHY, **chosen))
    (series,) = report(found[1])["sections"]["series of a model in Prometheus, at most"]

    assert problems(found[0]) == [
        "m.reference.json: got no correlations from the file, and "
        "TIDEGAUGE_DRIFT_CORRELATION=true; expected those of two numeric features. Build it with "
        "'tidegauge reference build --correlation'."
    ]
    assert problems(found[1]) == []
    assert str(2 + 2 * 11 + 2 * 5) == series["drift"]


def test_the_series_of_all_models_are_added_up_for_each_exporter(
    tidegauge: Run, tmp_path: Path
) -> None:
    """Two models in a folder; by OTLP a histogram is one series, in Prometheus one a bucket."""
    (tmp_path / "train.csv").write_text(
        "a,b\n" + "".join(f"{i % 90},{i % 7}\n" for i in range(400))
    )
    (tmp_path / "all").mkdir()
    for name in ("m", "n"):
        build(tmp_path, file=f"all/{name}.reference.json")
    environ = {**HEALTHY, "OTEL_METRICS_EXPORTER": "tidegauge_prometheus, console"}
    done = tidegauge("doctor", "--json", **environ, TIDEGAUGE_REFERENCE="all")
    sections = report(done)["sections"]
    one = sections["series of a model in Prometheus, at most"][0]
    found = {row["exporter"]: row for row in sections["series of all these models, at most"]}
    each = int(one["drift"]) + int(one["requests, latency and values of one operation"])
    assert ("2", str(2 * each)) == tuple(
        found["tidegauge_prometheus"][column] for column in ("models", "series")
    )
    histograms = [spec for spec in all_metrics() if spec.kind is Kind.HISTOGRAM]
    less = sum(len(spec.buckets) + 2 for spec in histograms)
    assert str(2 * (each - less)) == found["console"]["series"]


@pytest.mark.parametrize(("globs", "expected"), [("", 2 * 23), ("b", 23)])
def test_the_series_of_a_fleet_are_counted(
    tidegauge: Run, tmp_path: Path, globs: str, expected: int
) -> None:
    """Ten bins and their shares, missing and other values, the design effect: 23 a feature."""
    (tmp_path / "train.csv").write_text(
        "a,b\n" + "".join(f"{i % 90},{i % 90 / 7}\n" for i in range(900))
    )
    build(tmp_path)
    done = tidegauge(
        "doctor", "--json", **HEALTHY,
        TIDEGAUGE_REFERENCE=REFERENCE,
        TIDEGAUGE_DRIFT_FLEET="true", TIDEGAUGE_DRIFT_FLEET_FEATURES=globs,
    )  # fmt: skip
    (series,) = report(done)["sections"]["series of a model in Prometheus, at most"]
    assert series["fleet, beside the budget"] == str(expected)


def test_a_job_that_pushes_needs_no_port(tidegauge: Run) -> None:
    """Where to is said, without the password."""
    done = tidegauge(
        "doctor", "--json",
        OTEL_METRICS_EXPORTER="tidegauge_prometheus",
        TIDEGAUGE_PROMETHEUS_PUSHGATEWAY="https://me:secret@gateway:9091",
    )  # fmt: skip
    (row,) = report(done)["sections"]["endpoint"]
    assert row["address"] == "https://gateway:9091"
    assert "secret" not in done.stdout


def test_a_free_port_is_free() -> None:
    """Nobody answers where nobody listens."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        port = http.server_address[1]
    assert endpoint.look("127.0.0.1", port) == "free"


def test_a_port_that_another_program_has_is_a_problem(
    tidegauge: Run, server: tuple[int, list[bytes]]
) -> None:
    """The program is named, and the setting that gets out of its way."""
    done = tidegauge("doctor", "--json", OTEL_EXPORTER_PROMETHEUS_PORT=str(server[0]))
    assert (
        f"Port {server[0]} of 127.0.0.1 is taken by Harbour/1 (HTTP 200 at /metrics). Stop that "
        "program, or set OTEL_EXPORTER_PROMETHEUS_PORT to a free port (0 takes any)."
    ) in problems(done)


def test_a_port_that_tidegauge_answers_is_well(server: tuple[int, list[bytes]]) -> None:
    """A service that runs already is no problem."""
    port, body = server
    body[0] = b"# TYPE model_requests_total counter\n"
    assert endpoint.look("127.0.0.1", port) == "answered by Tidegauge, metrics of a model are there"
    body[0] = b"# TYPE up gauge\n"
    assert endpoint.look("127.0.0.1", port) == (
        "answered by a Prometheus endpoint without metrics of a model"
    )


def test_an_endpoint_before_the_first_prediction_is_well(python: Run) -> None:
    """Our own endpoint has nothing to show yet: that is no other program."""
    done = python("""
from tidegauge_distro import configure
from tidegauge_distro.doctor import endpoint
from tidegauge_exporter_prometheus.readers import running
configure()
print(endpoint.look("127.0.0.1", running()[0].port))
""")
    assert done.stdout == "answered by a Prometheus endpoint without metrics of a model\n"


def test_two_distros_without_a_choice_are_a_problem(environment: Environment, plugin: Any) -> None:
    """The order of installation must not decide which of them runs."""
    site = plugin("rival", "", "[opentelemetry_distro]\nrival = rival:Distro\n")
    environ = environment(**site, **HEALTHY)
    del environ["OTEL_PYTHON_DISTRO"]
    done = subprocess.run(
        [sys.executable, SCRIPTS / "tidegauge", "doctor", "--json"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert any(
        "bring an OpenTelemetry distro" in problem
        and problem.endswith("Set OTEL_PYTHON_DISTRO=tidegauge_distro.")
        for problem in problems(done)
    )
