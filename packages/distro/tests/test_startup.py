"""Checks before the set-up."""

from __future__ import annotations

import pytest
from tidegauge_distro import startup


@pytest.mark.parametrize("version", ["0.63b0", "0.66b2", "1.0", ""])
def test_a_version_that_zero_code_works_with_is_not_mentioned(version: str) -> None:
    """Nothing is said of new ones, nor where none is installed."""
    assert startup.old_instrumentation(version) is None


@pytest.mark.parametrize("version", ["0.51b0", "0.62b1"])
def test_an_old_instrumentation_is_warned_of(version: str) -> None:
    """The message has what is there, what is needed, and the command."""
    assert startup.old_instrumentation(version) == (
        f"opentelemetry-instrumentation: got {version}; expected >=0.63b0 for use without code, "
        "older ones lose the workers that uvicorn and multiprocessing spawn. "
        "pip install -U 'opentelemetry-instrumentation>=0.63b0'."
    )


def test_the_settings_of_all_packages_are_known() -> None:
    """Core, distro and exporter have their say."""
    known = startup.known_variables()
    assert {
        "TIDEGAUGE_MODEL_NAME",
        "OTEL_METRICS_EXPORTER",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    } <= known
