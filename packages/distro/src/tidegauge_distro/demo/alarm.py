"""A Prometheus of the demo's own, with the rules that Tidegauge renders."""

from __future__ import annotations

import shutil
from pathlib import Path

from tidegauge_distro.demo.processes import Child, free_port
from tidegauge_distro.demo.workshop import run_tidegauge

SCRAPE_S = 2
_RULES_FILE = "tidegauge.rules.yml"
_CONFIGURATION = """\
global:
  scrape_interval: {interval}s
  evaluation_interval: {interval}s
rule_files: [{rules}]
scrape_configs:
  - job_name: bikes
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""
RENDER = f"tidegauge rules render prometheus -o {_RULES_FILE}"


def find() -> str | None:
    """Return the path of Prometheus, None where it is not installed."""
    return shutil.which("prometheus")


def start(program: str, folder: Path, metrics_port: int) -> tuple[Child, str]:
    """Start Prometheus on loopback; return the child and its URL."""
    run_tidegauge(RENDER.split()[1:], folder)
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        _CONFIGURATION.format(interval=SCRAPE_S, rules=_RULES_FILE, port=metrics_port)
    )
    port = free_port()
    words = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    return Child("prometheus", words, folder, {}), f"http://127.0.0.1:{port}"
