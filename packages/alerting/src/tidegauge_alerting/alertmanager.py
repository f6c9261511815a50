"""The alerts' channels, cooldowns and inhibitions as Alertmanager's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegauge_exporter_prometheus.naming import label_name
from tidegauge_semconv import attributes as a

from tidegauge_alerting import block_yaml
from tidegauge_alerting.channels import Channel, Secret
from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.prometheus_text import escape
from tidegauge_alerting.promql import duration, quote
from tidegauge_alerting.vendors import Request, Vendor, Written

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The first words of every file that we wrote.
HEADER = "# Tidegauge's configuration for Alertmanager"

#: Alerts without a channel are in Alertmanager's own page alone.
NOBODY = "tidegauge-nobody"

# One page a model: what fires together about it is one message, a page and a note apart.
GROUP_BY = (label_name(a.MODEL_NAME),)
# What belongs together fires within one evaluation, a minute by default.
GROUP_WAIT_S = 30
# Alertmanager looks for what to repeat this often: a cooldown is longer by that at most.
GROUP_INTERVAL_S = 60

_ABOUT = (a.MODEL_NAME, a.MODEL_VERSION, a.FEATURE)

_COUNT = "{{ len .Alerts.Firing }}"
TITLE = (
    '{{ if eq .Status "resolved" }}Ended: {{ (index .Alerts 0).Annotations.summary }}'
    "{{ else if eq (len .Alerts.Firing) 1 }}{{ (index .Alerts.Firing 0).Annotations.summary }}"
    f"{{{{ else }}}}{_COUNT} alerts"
    f"{{{{ with .GroupLabels.{GROUP_BY[0]} }}}} about {{{{ . }}}}{{{{ end }}}}{{{{ end }}}}"
)
_BODY = (
    "{{ range .Alerts }}"
    '{{ if eq .Status "resolved" }}Ended: {{ end }}{{ .Annotations.summary }}\n'
    "{{ .Annotations.description }}"
    "{{ with .Annotations.first_steps }}\n{{ . }}{{ end }}"
    "{{ with .Annotations.runbook_url }}\n{{ . }}{{ end }}\n\n"
    "{{ end }}"
)


@dataclass(frozen=True, slots=True)
class Way:
    """Where some alerts go, and how long they are not said again."""

    channels: tuple[Channel, ...]
    cooldown_s: int
    severity: Severity
    names: tuple[str, ...]

    @property
    def receiver(self) -> str:
        """The receiver's name."""
        if not self.channels:
            return NOBODY
        return "tidegauge-" + "-".join(channel.name for channel in self.channels)


def ways(request: Request) -> tuple[Way, ...]:
    """Return the ways of the alerts, those that wake somebody first.

    Raises
    ------
    ValueError
        An alert names a channel that there is not.
    """
    found: dict[tuple[tuple[Channel, ...], int, Severity], list[str]] = {}
    for alert in request.definitions:
        key = (_channels(alert, request.channels, request.routes), alert.cooldown_s, alert.severity)
        found.setdefault(key, []).append(alert.name)
    order = list(Severity)
    every = [Way(*key, tuple(names)) for key, names in found.items()]
    return tuple(sorted(every, key=lambda way: order.index(way.severity)))


def inhibitions(
    definitions: Sequence[AlertDefinition],
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield each alert that inhibits others, those, and the attributes that have to be equal.

    Alerts that are not there are left out; those that share other attributes have a line each.
    """
    there = {alert.name: alert for alert in definitions}
    for alert in definitions:
        targets: dict[tuple[str, ...], list[str]] = {}
        for name in alert.inhibits:
            if name in there:
                shared = {*alert.labels} & {*there[name].labels}
                equal = tuple(key for key in _ABOUT if key in shared)
                # What is about a whole model has no feature, and inhibits those of all.
                if not _of_features(alert):
                    equal = tuple(key for key in equal if key != a.FEATURE)
                targets.setdefault(equal, []).append(name)
        for equal, names in targets.items():
            yield alert.name, tuple(names), equal


def configuration(request: Request) -> dict[str, Any]:
    """Return the configuration as plain data."""
    found = ways(request)
    receivers = {way.receiver: way.channels for way in found}
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": [*GROUP_BY],
            "group_wait": duration(GROUP_WAIT_S),
            "group_interval": duration(GROUP_INTERVAL_S),
            "routes": [
                {
                    "receiver": way.receiver,
                    "matchers": [
                        f"severity={quote(way.severity.value)}",
                        f"alertname=~{quote('|'.join(way.names))}",
                    ],
                    "repeat_interval": duration(way.cooldown_s),
                }
                for way in found
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f"alertname={quote(source)}"],
                "target_matchers": [f"alertname=~{quote('|'.join(targets))}"],
                **({"equal": [label_name(key) for key in equal]} if equal else {}),
            }
            for source, targets, equal in inhibitions(request.definitions)
        ],
        "receivers": [
            {"name": NOBODY},
            *(
                {"name": name, **_receiver(channels)}
                for name, channels in receivers.items()
                if name != NOBODY
            ),
        ],
    }


def _of_features(alert: AlertDefinition) -> bool:
    """Whether each alert is about one feature, and not a family with an empty one."""
    where = getattr(alert.measure, "where", ())
    return a.FEATURE in alert.labels and not any(
        each.attribute == a.FEATURE and each.values == ("",) for each in where
    )


def _channels(
    alert: AlertDefinition,
    channels: Mapping[str, Channel],
    routes: Mapping[Severity, Sequence[str]],
) -> tuple[Channel, ...]:
    names = alert.channels or tuple(routes.get(alert.severity, ()))
    for name in names:
        if name not in channels:
            raise ValueError(
                f"channels of {alert.name}: got {name!r}; expected one of "
                f"{', '.join(channels) or 'none'}. Add it to the file of alerts."
            )
    return tuple(channels[name] for name in names)


def _receiver(channels: Sequence[Channel]) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for channel in channels:
        found.setdefault(f"{channel.kind}_configs", []).append(_configuration(channel))
    return found


def _configuration(channel: Channel) -> dict[str, Any]:
    match channel.kind:
        case "email":
            found: dict[str, Any] = {
                "to": ", ".join(channel.to),
                "from": channel.sender,
                "smarthost": channel.smarthost,
                "require_tls": channel.require_tls,
                "headers": {"Subject": TITLE},
                "text": _BODY,
            }
            if channel.password is not None:
                found["auth_username"] = channel.username
                found["auth_password_file"] = _file(channel, channel.password)
        case "slack":
            found = {
                "api_url_file": _file(channel, channel.url),
                **({"channel": escape(channel.channel)} if channel.channel else {}),
                "title": _for_slack(TITLE),
                "text": _for_slack(_BODY),
                "fallback": _for_slack(TITLE),
            }
        case "pagerduty":
            found = {
                "routing_key_file": _file(channel, channel.routing_key),
                **({"url": f"{channel.address.rstrip('/')}/v2/enqueue"} if channel.address else {}),
                "description": TITLE,
                "severity": "{{ .CommonLabels.severity }}",
                "class": "{{ .CommonLabels.alertname }}",
                "component": f"{{{{ .GroupLabels.{GROUP_BY[0]} }}}}",
                "details": {"firing": _BODY},
            }
        case "webhook" if channel.url is None:
            found = {"url": channel.address}
        case "webhook":
            # Alertmanager 0.26 and later.
            found = {"url_file": _file(channel, channel.url)}
        case _:
            raise TypeError(
                f"channel {channel.name}: got the kind {channel.kind!r}; expected one that "
                "Alertmanager has. Add it to tidegauge_alerting.alertmanager."
            )
    return {"send_resolved": channel.send_resolved, **found}


def _file(channel: Channel, secret: Secret | None) -> str:
    if secret is None or not secret.file:
        where = "none" if secret is None else f"the variable {secret.env}"
        raise ValueError(
            f"secret of channel {channel.name}: got {where}; expected a file: Alertmanager reads "
            "no variables. Write it to a file and name that."
        )
    return secret.file


def _for_slack(template: str) -> str:
    """Return a template whose values Slack reads as text: a model named <!channel> calls nobody."""
    for value in (
        "(index .Alerts 0).Annotations.summary",
        "(index .Alerts.Firing 0).Annotations.summary",
        ".Annotations.summary",
        ".Annotations.description",
    ):
        template = template.replace(f"{{{{ {value} }}}}", f"{{{{ {value} | {_SLACK} }}}}")
    return template.replace("{{ . }}", f"{{{{ . | {_SLACK} }}}}")


_SLACK = 'reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"'


def _written(request: Request) -> Written:
    text = block_yaml.heading(HEADER, request.made_by) + block_yaml.dump(configuration(request))
    return Written(text, len(request.definitions))


#: What the entry point ``alertmanager`` finds.
VENDOR = Vendor(
    header=HEADER,
    render=_written,
    steps=(
        "Name it under --config.file of Alertmanager, or take its routes into yours.",
        "Check it with: amtool check-config {file}",
    ),
)
