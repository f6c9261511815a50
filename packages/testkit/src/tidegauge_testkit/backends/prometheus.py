"""A real Prometheus that scrapes some targets and evaluates rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.promql_server import PromqlServer, scrape_configs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_READY_S = 30.0


class Prometheus(PromqlServer):
    """Prometheus on a free port, with its data in a temporary folder.

    Parameters
    ----------
    folder
        Where configuration, data and log go.
    targets
        ``job`` -> ``host:port``.
    rules
        The text of a rule file.
    alertmanager
        ``host:port`` of an Alertmanager.
    interval_s
        How often it scrapes and evaluates rules.
    evaluate_s
        How often it evaluates rules, if not as often as it scrapes.
    honor_labels
        Whether targets may say themselves which job and instance a series is of, as a Pushgateway
        must.
    """

    name = "prometheus"

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, str],
        *,
        rules: str | None = None,
        alertmanager: str | None = None,
        interval_s: int = 5,
        evaluate_s: int | None = None,
        honor_labels: bool = False,
    ) -> None:
        self._notifies = alertmanager is not None
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        configuration: dict[str, Any] = {
            "global": {
                "scrape_interval": f"{interval_s}s",
                "scrape_timeout": f"{interval_s}s",
                "evaluation_interval": f"{evaluate_s or interval_s}s",
            },
            "scrape_configs": scrape_configs(targets, honor_labels=honor_labels),
        }
        if rules is not None:
            (folder / "rules.yml").write_text(rules)
            configuration["rule_files"] = ["rules.yml"]
        if alertmanager is not None:
            configuration["alerting"] = {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]
            }
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration))
        super().__init__(
            [
                find("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
                "--log.level=warn",
            ],
            folder,
            f"http://{LOOPBACK}:{self.port}",
        )

    def wait_ready(self) -> None:
        """Wait until queries are answered and the Alertmanager is known."""
        self.wait_for(lambda: web.answers(f"{self.url}/-/ready"), "Prometheus is ready", _READY_S)
        if self._notifies:
            self.wait_for(self._knows_alertmanager, "Prometheus knows its Alertmanager", _READY_S)

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing now."""
        found: list[dict[str, Any]] = web.get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return found

    def unhealthy_rules(self) -> Sequence[str]:
        """Return the errors of the rules that could not be evaluated."""
        groups = web.get_json(f"{self.url}/api/v1/rules")["data"]["groups"]
        return [
            f"{rule['name']}: {rule.get('lastError', '')}"
            for group in groups
            for rule in group["rules"]
            if rule["health"] == "err"
        ]

    def _knows_alertmanager(self) -> bool:
        # An alert that fires before is said again only after a minute.
        found = web.get_json(f"{self.url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        return bool(found)
