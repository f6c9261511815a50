"""Real processes: what a user starts, with an environment that holds nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

SCRIPTS = Path(sysconfig.get_path("scripts"))
# The longest is a whole demo: a minute and a half, and more where other tests run beside it.
LIMIT_S = 600.0

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without anything that OpenTelemetry or Tidegauge reads."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "TIDEGAUGE_", "NO_COLOR", "FORCE_COLOR"))
    }
    return {
        **kept,
        # Other distros may be installed beside ours.
        "OTEL_PYTHON_DISTRO": "tidegauge_distro",
        "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        **more,
    }


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """Return the clean environment as a function."""
    return clean_environment


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command line to its end in a folder of its own."""

    def run_words(words: Sequence[str], **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=tmp_path,
            env=clean_environment(**environ),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run_words


@pytest.fixture
def zero_code(run: Run) -> Run:
    """Run Python code under ``opentelemetry-instrument``."""

    def run_code(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run([SCRIPTS / "opentelemetry-instrument", sys.executable, "-c", code], **environ)

    return run_code


@pytest.fixture
def python(run: Run) -> Run:
    """Run Python code by itself."""

    def run_code(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-c", code], **environ)

    return run_code


@pytest.fixture
def tidegauge(run: Run) -> Run:
    """Run the ``tidegauge`` command."""

    def run_words(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run([SCRIPTS / "tidegauge", *words], **environ)

    return run_words


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str, str, str], dict[str, str]]:
    """Install a distribution of one module and one entry point; return the environment for it."""

    def install(name: str, source: str, entry_points: str) -> dict[str, str]:
        site = tmp_path / "site"
        metadata = site / f"{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{name}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        return {"PYTHONPATH": str(site)}

    return install
