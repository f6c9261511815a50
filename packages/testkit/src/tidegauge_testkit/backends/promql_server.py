"""What Prometheus and VictoriaMetrics have in common: they scrape, and answer PromQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


def scrape_configs(
    targets: Mapping[str, str], *, honor_labels: bool = False
) -> list[dict[str, Any]]:
    """Return the configuration that scrapes each target (``job`` -> ``host:port``)."""
    return [
        {
            "job_name": job,
            "honor_labels": honor_labels,
            "static_configs": [{"targets": [target]}],
        }
        for job, target in targets.items()
    ]


class PromqlServer(Process):
    """A program that answers PromQL at ``url``."""

    def __init__(self, command: Sequence[str], folder: Path, url: str) -> None:
        self.url = url
        super().__init__(command, folder)

    def query(self, expression: str) -> list[Sample]:
        """Return the series that an expression has now."""
        answer = web.get_json(f"{self.url}/api/v1/query", {"query": expression})
        return [Sample(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that has one series, None where it has none now."""
        samples = self.query(expression)
        if len(samples) > 1:
            raise AssertionError(f"{expression}: got {len(samples)} series; expected one or none")
        return samples[0].value if samples else None
