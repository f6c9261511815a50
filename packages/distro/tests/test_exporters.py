"""Which exporters are chosen from an environment."""

from __future__ import annotations

import pytest
from tidegauge_distro import exporters


def chosen(**environ: str) -> dict[str, str]:
    """Return the environment after the defaults."""
    exporters.apply_defaults(environ)
    return environ


def test_with_nothing_set_only_metrics_go_anywhere() -> None:
    """Metrics go to our endpoint, traces and logs nowhere."""
    assert chosen() == {
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }


def test_what_the_user_set_stays() -> None:
    """A default replaces nothing but emptiness."""
    environ = chosen(OTEL_METRICS_EXPORTER="console", OTEL_TRACES_EXPORTER="  ")
    assert environ["OTEL_METRICS_EXPORTER"] == "console"
    assert environ["OTEL_TRACES_EXPORTER"] == "none"


def test_an_otlp_endpoint_names_its_exporter() -> None:
    """Who sets an OTLP endpoint wants OTLP: for all signals, or for the one that it names."""
    everywhere = chosen(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317")
    assert {"otlp"} == {everywhere[signal.variable] for signal in exporters.SIGNALS}
    traces = chosen(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://collector:4317")
    assert traces["OTEL_TRACES_EXPORTER"] == "otlp"
    assert traces["OTEL_METRICS_EXPORTER"] == "tidegauge_prometheus"


def test_a_configuration_file_decides_alone() -> None:
    """Nothing is set or dropped where a declarative configuration is in force."""
    assert chosen(OTEL_CONFIG_FILE="otel.yaml") == {"OTEL_CONFIG_FILE": "otel.yaml"}
    environ = {"OTEL_CONFIG_FILE": "otel.yaml", "OTEL_METRICS_EXPORTER": "typo"}
    assert exporters.drop_unusable(environ) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("console", "console"),
        ("none", "none"),
        ("otlp", "otlp"),
        ("console,", "console"),
        ("console,none", "console"),
        ("consol,console", "console"),
        ("typo", "none"),
        (" console , otlp_proto_http ", "console,otlp_proto_http"),
    ],
)
def test_names_that_would_end_all_telemetry_are_left_out(text: str, kept: str) -> None:
    """What OpenTelemetry would stumble over is dropped, the rest is kept."""
    environ = {"OTEL_METRICS_EXPORTER": text}
    exporters.drop_unusable(environ)
    assert kept == environ["OTEL_METRICS_EXPORTER"]


def test_the_error_says_what_is_installed_and_what_was_meant() -> None:
    """One line has the value, what is allowed, the nearest name and what happens now."""
    environ = {"OTEL_TRACES_EXPORTER": "consol"}
    (message,) = exporters.drop_unusable(environ)
    assert message.startswith(
        "OTEL_TRACES_EXPORTER: got 'consol' from the environment; expected installed exporters: "
        "console, "
    )
    assert message.endswith("Did you mean console? Traces go to none now.")


def test_otlp_follows_the_protocol() -> None:
    """The protocol in force picks the exporter; an unknown one is an error, not a guess."""
    http = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    assert list(exporters.choose(exporters.METRICS, http).classes) == ["otlp_proto_http"]
    own = {**http, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}
    assert list(exporters.choose(exporters.METRICS, own).classes) == ["otlp_proto_grpc"]
    bad = {**http, "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier/pigeon"}
    assert len(exporters.choose(exporters.METRICS, bad).errors) == 1


def test_an_exporter_that_cannot_be_imported_is_named(
    plugin: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed but broken exporter is left out with its reason."""
    environ = plugin(  # type: ignore[operator]
        "broken_exporter",
        "raise RuntimeError('no such device')",
        "[opentelemetry_metrics_exporter]\nbroken = broken_exporter:Exporter\n",
    )
    monkeypatch.syspath_prepend(environ["PYTHONPATH"])
    choice = exporters.choose(exporters.METRICS, {"OTEL_METRICS_EXPORTER": "broken,console"})
    assert list(choice.classes) == ["console"]
    assert choice.errors == (
        (
            "OTEL_METRICS_EXPORTER: got 'broken' from the environment; it is installed but could "
            "not be loaded (RuntimeError: no such device). Repair or reinstall its package."
        ),
    )
