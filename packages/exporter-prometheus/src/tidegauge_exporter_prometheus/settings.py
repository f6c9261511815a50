"""Where the endpoint listens."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.settings import SettingError, load, setting


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """The Prometheus endpoint's settings."""

    host: str = setting(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "127.0.0.1",
        "Address that the Prometheus endpoint listens on; 0.0.0.0 is every IPv4 address.",
    )
    port: int = setting(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        9464,
        "Port that the Prometheus endpoint listens on; 0 takes any free one.",
        minimum=0,
        maximum=65535,
    )
    listen: bool = setting(
        "TIDEGAUGE_PROMETHEUS_LISTEN",
        True,
        "Whether the endpoint has a port of its own; false where the app mounts it.",
    )


def read(
    *, host: str | None = None, port: int | None = None, listen: bool | None = None
) -> PrometheusSettings:
    """Read the settings: argument, then environment, then default.

    Raises
    ------
    SettingError
        A value is malformed or out of bounds.
    """
    for name, value, kind, what in (
        ("host", host, str, "text"),
        ("port", port, int, "an integer in [0, 65535]"),
        ("listen", listen, bool, "true or false"),
    ):
        if value is not None and type(value) is not kind:
            raise SettingError(
                f"{name}: got {value!r} from the argument; expected {what}. "
                "Leave it out for the default."
            )
    return load(PrometheusSettings, host=host, port=port, listen=listen)
