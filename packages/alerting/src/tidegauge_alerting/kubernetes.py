"""The alerts for the Prometheus operator of Kubernetes: its resources, in one file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidegauge_exporter_prometheus.naming import label_name

from tidegauge_alerting import block_yaml
from tidegauge_alerting.alertmanager import (
    GROUP_BY,
    GROUP_INTERVAL_S,
    GROUP_WAIT_S,
    NOBODY,
    configuration,
    inhibitions,
    ways,
)
from tidegauge_alerting.prometheus import rule_groups
from tidegauge_alerting.promql import duration
from tidegauge_alerting.vendors import Request, Vendor, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_alerting.channels import Channel, Secret

#: The first words of every file that we wrote.
HEADER = "# Tidegauge's alerts for the Prometheus operator"

NAME = "tidegauge"
# What the operator selects rules and monitors by is each team's own choice: this is ours.
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "tidegauge-alerting"}
#: Workloads with this label are scraped, on the port of this name.
SERVES = {"tidegauge.io/metrics": "true"}
PORT = "metrics"


def resources(request: Request) -> list[dict[str, Any]]:
    """Return the resources in the order in which they are written.

    Raises
    ------
    ValueError
        A channel's secret is none that a Kubernetes secret can hold.
    """
    return [
        _resource(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            {"groups": rule_groups(request.definitions, runbook_url=request.runbook_url)},
        ),
        _resource("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig", _routing(request)),
        _resource(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            {"selector": {"matchLabels": SERVES}, "endpoints": [{"port": PORT}]},
        ),
        _resource(
            "monitoring.coreos.com/v1",
            "PodMonitor",
            {"selector": {"matchLabels": SERVES}, "podMetricsEndpoints": [{"port": PORT}]},
        ),
    ]


def _resource(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": spec,
    }


def _routing(request: Request) -> dict[str, Any]:
    """Return Alertmanager's configuration in the words of the operator."""
    plain = configuration(request)
    receivers = {way.receiver: way.channels for way in ways(request)}
    inhibited = [
        {
            "sourceMatch": [{"name": "alertname", "value": source, "matchType": "="}],
            "targetMatch": [{"name": "alertname", "value": "|".join(targets), "matchType": "=~"}],
            **({"equal": [label_name(key) for key in equal]} if equal else {}),
        }
        for source, targets, equal in inhibitions(request.definitions)
    ]
    configs = {each["name"]: each for each in plain["receivers"]}
    return {
        "route": {
            "receiver": NOBODY,
            "groupBy": [*GROUP_BY],
            "groupWait": duration(GROUP_WAIT_S),
            "groupInterval": duration(GROUP_INTERVAL_S),
            "routes": [
                {
                    "receiver": way.receiver,
                    "matchers": [
                        {"name": "severity", "value": way.severity.value, "matchType": "="},
                        {"name": "alertname", "value": "|".join(way.names), "matchType": "=~"},
                    ],
                    "repeatInterval": duration(way.cooldown_s),
                }
                for way in ways(request)
            ],
        },
        **({"inhibitRules": inhibited} if inhibited else {}),
        "receivers": [
            {"name": NOBODY},
            *(
                {"name": name, **_receiver(channels, configs[name])}
                for name, channels in receivers.items()
                if name != NOBODY
            ),
        ],
    }


def _receiver(channels: Sequence[Channel], plain: dict[str, Any]) -> dict[str, Any]:
    """Return a receiver: Alertmanager's own keys, in camel case, and secrets by reference."""
    found: dict[str, list[dict[str, Any]]] = {}
    waiting = {key: iter(configs) for key, configs in plain.items() if key != "name"}
    for channel in channels:
        config = dict(next(waiting[f"{channel.kind}_configs"]))
        said: dict[str, Any] = {"sendResolved": config.pop("send_resolved")}
        match channel.kind:
            case "email":
                said |= {
                    "to": config["to"],
                    "from": config["from"],
                    "smarthost": config["smarthost"],
                    "requireTLS": config["require_tls"],
                    "headers": _pairs(config["headers"]),
                    "text": config["text"],
                }
                if channel.password is not None:
                    said["authUsername"] = channel.username
                    said["authPassword"] = _key(channel.password)
            case "slack":
                said |= {"apiURL": _key(channel.url)}
                said |= {key: config[key] for key in config if key != "api_url_file"}
            case "pagerduty":
                said |= {"routingKey": _key(channel.routing_key)}
                said |= {
                    key: config[key]
                    for key in ("url", "description", "severity", "class", "component")
                    if key in config
                }
                said["details"] = _pairs(config["details"])
            case _ if channel.url is None:
                said["url"] = channel.address
            case _:
                said["urlSecret"] = _key(channel.url)
        found.setdefault(_CONFIGS[channel.kind], []).append(said)
    return found


_CONFIGS = {
    "email": "emailConfigs",
    "slack": "slackConfigs",
    "pagerduty": "pagerdutyConfigs",
    "webhook": "webhookConfigs",
}


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


def _key(secret: Secret | None) -> dict[str, str]:
    """Return the key of the Kubernetes secret ``tidegauge`` that holds what a file holds."""
    name = "" if secret is None else secret.file.rsplit("/", 1)[-1]
    if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", name):
        raise ValueError(
            f"secret: got the file {name!r}; expected letters, digits, '-', '_' and '.': it is a "
            "key of a Kubernetes secret. Rename the file."
        )
    return {"name": NAME, "key": name}


def _written(request: Request) -> Written:
    parts = [block_yaml.dump(each) for each in resources(request)]
    text = block_yaml.heading(HEADER, request.made_by) + "---\n".join(parts)
    return Written(text, len(request.definitions))


#: What the entry point ``kubernetes`` finds.
VENDOR = Vendor(
    header=HEADER,
    render=_written,
    steps=(
        "Put the files of the channels' secrets into a secret named tidegauge, beside it.",
        "Try it with: kubectl apply --dry-run=server -f {file}",
    ),
)
