"""What the demo sees: only what a scrape of /metrics and Prometheus' own interface say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics as m

from tidegauge_distro.demo.loopback import get

_REQUESTS = m.MODEL_REQUESTS.name.replace(".", "_")
_PSI = m.DRIFT_PSI_VALUE.name.replace(".", "_")
_KS = m.DRIFT_KS_STATISTIC.name.replace(".", "_")
_DETECTED = m.DRIFT_DETECTED.name.replace(".", "_")


@dataclass(slots=True)
class Reading:
    """One scrape."""

    requests: int = 0
    psi: dict[str, float] = field(default_factory=dict)
    ks: dict[str, float] = field(default_factory=dict)
    detected: dict[str, bool] = field(default_factory=dict)
    families: dict[str, bool] = field(default_factory=dict)

    @property
    def features(self) -> list[str]:
        """Features with any value, the largest PSI first."""
        names = {**self.psi, **self.ks, **self.detected}
        return sorted(names, key=lambda name: -self.psi.get(name, 0.0))


def scrape(url: str) -> Reading:
    """Read /metrics once."""
    return read(get(url))


def read(text: str) -> Reading:
    """Take the demo's values out of a scrape."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - an extra

    found = Reading()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            feature = sample.labels.get(a.FEATURE, "")
            if sample.name == f"{_REQUESTS}_total":
                found.requests += int(sample.value)
            elif sample.name == _PSI:
                found.psi[feature] = sample.value
            elif sample.name == _KS:
                found.ks[feature] = sample.value
            elif sample.name == _DETECTED:
                raised = sample.value == 1
                if not feature:
                    found.families[sample.labels[a.FAMILY]] = raised
                else:
                    found.detected[feature] = found.detected.get(feature, False) or raised
    return found


def alerts(prometheus: str) -> dict[tuple[str, str], str]:
    """Return the state of each active alert by its name and feature."""
    data: dict[str, Any] = json.loads(get(f"{prometheus}/api/v1/alerts"))
    return {
        (alert["labels"]["alertname"], alert["labels"].get(a.FEATURE, "")): alert["state"]
        for alert in data["data"]["alerts"]
    }
