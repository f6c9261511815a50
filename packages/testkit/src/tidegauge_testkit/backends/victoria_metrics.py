"""A real VictoriaMetrics that scrapes some targets, and the vmalert that evaluates rules on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.process import Process
from tidegauge_testkit.backends.promql_server import PromqlServer, scrape_configs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_READY_S = 30.0


class VictoriaMetrics(PromqlServer):
    """VictoriaMetrics on a free port, with its data in a temporary folder.

    Parameters
    ----------
    folder
        Where configuration, data and log go.
    targets
        ``job`` -> ``host:port``.
    interval_s
        How often it scrapes.
    """

    name = "victoria-metrics"

    def __init__(self, folder: Path, targets: Mapping[str, str], *, interval_s: int = 5) -> None:
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "scrape.yml"
        file.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": f"{interval_s}s"},
                    "scrape_configs": scrape_configs(targets),
                }
            )
        )
        super().__init__(
            [
                find("victoria-metrics"),
                f"-promscrape.config={file}",
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr={LOOPBACK}:{self.port}",
                # What is scraped can be queried at once, not after half a minute.
                "-search.latencyOffset=0s",
                "-loggerLevel=WARN",
            ],
            folder,
            f"http://{LOOPBACK}:{self.port}",
        )

    def wait_ready(self) -> None:
        """Wait until queries are answered."""
        self.wait_for(
            lambda: web.answers(f"{self.url}/health"), "VictoriaMetrics is ready", _READY_S
        )


class Vmalert(Process):
    """vmalert: records into a VictoriaMetrics what the rules compute from it.

    Parameters
    ----------
    folder
        Where the rules and the log go.
    rules
        The text of a rule file.
    storage
        What is queried and written to.
    notifier
        ``host:port`` of an Alertmanager.
    """

    name = "vmalert"

    def __init__(self, folder: Path, rules: str, storage: VictoriaMetrics, notifier: str) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "rules.yml"
        file.write_text(rules)
        super().__init__(
            [
                find("vmalert"),
                f"-rule={file}",
                f"-datasource.url={storage.url}",
                f"-remoteWrite.url={storage.url}",
                f"-notifier.url=http://{notifier}",
                f"-httpListenAddr={LOOPBACK}:{self.port}",
                "-remoteWrite.flushInterval=200ms",
                "-loggerLevel=WARN",
            ],
            folder,
        )

    def wait_ready(self) -> None:
        """Wait until it answers."""
        self.wait_for(lambda: web.answers(f"{self.url}/health"), "vmalert is ready", _READY_S)

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing now."""
        found = web.get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return list(found or ())
