"""Where metrics go, and what tags they have: as Datadog names it, where it does."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from tidegauge.settings import load, setting

from tidegauge_exporter_datadog import http_api
from tidegauge_exporter_datadog.address import DEFAULT_PORT, Address
from tidegauge_exporter_datadog.naming import plain_tag
from tidegauge_exporter_datadog.post import Destination
from tidegauge_exporter_datadog.unified import UnifiedTags


def _tags(text: str) -> tuple[str, ...]:
    """Return the tags of a list, as Datadog's Agent and tracer read it."""
    return tuple(filter(None, map(plain_tag, re.split(r"[,\s]+", text))))


@dataclass(frozen=True, slots=True)
class DatadogSettings:
    """The settings of what goes to Datadog."""

    dogstatsd_url: Address | None = setting(  # noqa: RUF009 - a row, as the others
        "DD_DOGSTATSD_URL",
        None,
        "Where the Agent takes metrics: udp://host:port, unix:///path of a socket, or "
        "unixstream:///path. Goes before DD_AGENT_HOST.",
        parse=Address.parse,
        expected="udp://host:port, unix:///path, unixgram:///path or unixstream:///path",
    )
    agent_host: str = setting(
        "DD_AGENT_HOST",
        "",
        "Host of the Agent, by default localhost.",
    )
    dogstatsd_port: int = setting(
        "DD_DOGSTATSD_PORT",
        DEFAULT_PORT,
        "UDP port of the Agent.",
        minimum=1,
        maximum=65535,
    )
    env: str = setting(
        "DD_ENV",
        "",
        "Tag env of everything; by default the resource's deployment.environment.name.",
    )
    service: str = setting(
        "DD_SERVICE",
        "",
        "Tag service of everything; by default OTEL_SERVICE_NAME.",
    )
    version: str = setting(
        "DD_VERSION",
        "",
        "Tag version of everything: the service's, not a model's; by default the resource's "
        "service.version.",
    )
    tags: tuple[str, ...] = setting(
        "DD_TAGS",
        (),
        "Further tags of everything, such as team:risk,region:eu.",
        parse=_tags,
        expected="tags with commas between",
    )
    entity_id: str = setting(
        "DD_ENTITY_ID",
        "",
        "UID of the Kubernetes pod, by which the Agent adds the pod's own tags.",
    )
    api_key: str = setting(
        "DD_API_KEY",
        "",
        "Key of Datadog's HTTP API. Where it is set and neither DD_DOGSTATSD_URL nor "
        "DD_AGENT_HOST is, metrics and events go there, without an Agent.",
        parse=http_api.parse_key,
        expected="letters and digits without blanks",
        secret=True,
    )
    site: str = setting(
        "DD_SITE",
        http_api.DEFAULT_SITE,
        "Site of Datadog, such as datadoghq.eu or us5.datadoghq.com.",
        parse=http_api.parse_site,
        expected="a site such as datadoghq.com, datadoghq.eu or us5.datadoghq.com",
    )
    url: str = setting(
        "TIDEGAUGE_DATADOG_URL",
        "",
        "URL that takes the place of Datadog's HTTP API: a proxy in front of it, or another "
        "program that understands it.",
        parse=http_api.parse_url,
        expected="a URL such as https://proxy:8443 or http://victoria:8428/datadog, without a user",
        secret=True,
    )
    hostname: str = setting(
        "DD_HOSTNAME",
        "",
        "What Datadog calls this host, without an Agent; by default the system's name of it.",
    )
    timeout_s: float = setting(
        "TIDEGAUGE_DATADOG_TIMEOUT_S",
        5.0,
        "How long a request to Datadog's HTTP API may hang.",
        minimum=0.1,
        maximum=60.0,
    )
    queue_bytes: int = setting(
        "TIDEGAUGE_DATADOG_QUEUE_BYTES",
        8_388_608,
        "Memory for what waits while Datadog's HTTP API does not answer; beyond it the oldest is "
        "dropped and counted.",
        minimum=65_536,
        maximum=1_073_741_824,
    )
    max_features: int = setting(
        "TIDEGAUGE_DATADOG_MAX_FEATURES",
        20,
        "Features of a model that have gauges of their own in Datadog, where each is a custom "
        "metric: those that drift most. 0: what is said of the whole model, alone.",
        minimum=0,
        maximum=100_000,
    )

    @property
    def unified(self) -> UnifiedTags:
        """What all points have in common."""
        return UnifiedTags(self.env, self.service, self.version, self.tags)

    @property
    def destination(self) -> Destination | None:
        """The HTTP API; None where an Agent is to be used."""
        if not self.api_key or self.dogstatsd_url is not None or self.agent_host:
            return None
        return Destination(self.url or http_api.url_of(self.site), self.api_key)

    @property
    def host(self) -> str:
        """What Datadog calls this host."""
        return self.hostname or socket.gethostname()

    @property
    def address(self) -> Address:
        """Where the Agent listens."""
        if self.dogstatsd_url is not None:
            return self.dogstatsd_url
        return Address(host=self.agent_host or "localhost", port=self.dogstatsd_port)


def read() -> DatadogSettings:
    """Read the settings from the environment.

    Raises
    ------
    SettingError
        A value is malformed or out of bounds.
    """
    return load(DatadogSettings)
