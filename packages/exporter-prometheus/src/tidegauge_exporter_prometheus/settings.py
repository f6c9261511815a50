"""Where the endpoint listens, or where a job pushes to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegauge.settings import SettingError, load, setting

from tidegauge_exporter_prometheus.push import Address


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
    pushgateway: Address | None = setting(  # noqa: RUF009 - a row, as the others
        "TIDEGAUGE_PROMETHEUS_PUSHGATEWAY",
        None,
        "Pushgateway that a job leaves its metrics at when it ends, instead of listening.",
        parse=Address.parse,
        expected="a URL such as http://gateway:9091 or https://name:password@gateway",
        secret=True,
    )
    push_job: str = setting(
        "TIDEGAUGE_PROMETHEUS_PUSH_JOB",
        "",
        "Label job of what is pushed; by default OTEL_SERVICE_NAME.",
    )
    push_instance: str = setting(
        "TIDEGAUGE_PROMETHEUS_PUSH_INSTANCE",
        "",
        "Label instance of what is pushed, by default the host's name. A Pushgateway forgets "
        "nothing: where each run has a host name of its own, set one that stays.",
    )


def read(
    *,
    host: str | None = None,
    port: int | None = None,
    listen: bool | None = None,
    pushgateway: str | None = None,
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
    found = load(PrometheusSettings, host=host, port=port, listen=listen)
    return found if pushgateway is None else replace(found, pushgateway=_address(pushgateway))


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except (ValueError, AttributeError):
        raise SettingError(
            "pushgateway: got another value from the argument; expected a URL such as "
            "http://gateway:9091. Leave it out to listen instead."
        ) from None
