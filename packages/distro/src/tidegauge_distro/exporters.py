"""Which exporters a process uses: the user's, else ours, and none that would end all telemetry.

OpenTelemetry gives up on everything when one name in ``OTEL_*_EXPORTER`` is wrong, even over a
trailing comma. Here a wrong name is reported and left out, and the others work.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

NONE = "none"
OURS = "tidegauge_prometheus"
_OTLP = "otlp"
_CONFIG_FILE = "OTEL_CONFIG_FILE"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
NOWHERE = (
    "No metrics exporter is installed or named, so metrics go nowhere. "
    "pip install tidegauge-exporter-prometheus, or name an installed one in OTEL_METRICS_EXPORTER."
)
_OTLP_BY_PROTOCOL = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


@dataclass(frozen=True, slots=True)
class Signal:
    """One of OpenTelemetry's kinds of telemetry."""

    name: str
    variable: str
    group: str
    default: str

    @property
    def endpoint(self) -> str:
        """The variable of this signal's own OTLP endpoint."""
        return f"OTEL_EXPORTER_OTLP_{self.name.upper()}_ENDPOINT"

    @property
    def protocol(self) -> str:
        """The variable of this signal's own OTLP protocol."""
        return f"OTEL_EXPORTER_OTLP_{self.name.upper()}_PROTOCOL"


METRICS = Signal("metrics", "OTEL_METRICS_EXPORTER", "opentelemetry_metrics_exporter", OURS)
TRACES = Signal("traces", "OTEL_TRACES_EXPORTER", "opentelemetry_traces_exporter", NONE)
LOGS = Signal("logs", "OTEL_LOGS_EXPORTER", "opentelemetry_logs_exporter", NONE)
SIGNALS = (METRICS, TRACES, LOGS)


def installed(signal: Signal) -> dict[str, EntryPoint]:
    """Return the installed exporters of a signal by name."""
    return {found.name: found for found in entry_points(group=signal.group)}


def default(signal: Signal, environ: Mapping[str, str]) -> str:
    """Return where a signal goes when the user named no exporter for it.

    An OTLP endpoint in the environment names one as plainly as a name would.
    """
    names = installed(signal)
    if environ.get(signal.endpoint) or environ.get(_ENDPOINT):
        return _OTLP
    return signal.default if signal.default in names else NONE


def apply_defaults(environ: MutableMapping[str, str]) -> list[str]:
    """Name an exporter for each signal that has none; what the user set stays.

    Returns a warning where metrics then go nowhere, which nobody asked for.
    """
    if environ.get(_CONFIG_FILE):
        return []  # the file decides
    warnings: list[str] = []
    for signal in SIGNALS:
        if not environ.get(signal.variable, "").strip():
            environ[signal.variable] = default(signal, environ)
            if signal is METRICS and environ[signal.variable] == NONE:
                warnings.append(NOWHERE)
    return warnings


@dataclass(frozen=True, slots=True)
class Choice:
    """The exporters of one signal that can be used, and what is wrong with the others."""

    signal: Signal
    classes: dict[str, Any]
    errors: tuple[str, ...] = ()


def choose(signal: Signal, environ: Mapping[str, str]) -> Choice:
    """Load the exporters that a signal's variable names."""
    text = environ.get(signal.variable, "").strip()
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or [name.lower() for name in names] == [NONE]:
        return Choice(signal, {})
    available = installed(signal)
    classes: dict[str, Any] = {}
    errors: list[str] = []
    for name in names:
        resolved = _resolve(name, signal, environ, available)
        if resolved is None:
            errors.append(_unknown(name, signal, available))
            continue
        try:
            classes[resolved] = available[resolved].load()
        except Exception as error:
            errors.append(
                f"{signal.variable}: got {name!r} from the environment; it is installed but could "
                f"not be loaded ({type(error).__name__}: {error}). Repair or reinstall its package."
            )
    return Choice(signal, classes, tuple(errors))


def drop_unusable(environ: MutableMapping[str, str]) -> list[str]:
    """Leave names that cannot be used out of the environment; return an error for each."""
    if environ.get(_CONFIG_FILE):
        return []
    errors: list[str] = []
    for signal in SIGNALS:
        text = environ.get(signal.variable, "").strip()
        if not text or text.lower() == NONE:
            continue
        choice = choose(signal, environ)
        # OpenTelemetry itself takes otlp for gRPC, installed or not, and ends at an empty name.
        fits = "otlp_proto_http" not in choice.classes and all(map(str.strip, text.split(",")))
        if fits and not choice.errors:
            continue
        kept = ",".join(choice.classes) or NONE
        errors.extend(
            f"{error} {signal.name.capitalize()} go to {kept} now." for error in choice.errors
        )
        environ[signal.variable] = kept
    return errors


def _resolve(
    name: str, signal: Signal, environ: Mapping[str, str], available: Mapping[str, EntryPoint]
) -> str | None:
    """Return the entry point behind a name; ``otlp`` is whichever OTLP exporter is installed."""
    if name != _OTLP:
        return name if name in available else None
    protocol = environ.get(signal.protocol) or environ.get(_PROTOCOL)
    if protocol:
        wanted = _OTLP_BY_PROTOCOL.get(protocol.strip())
        return wanted if wanted in available else None
    return next((found for found in _OTLP_BY_PROTOCOL.values() if found in available), None)


def _unknown(name: str, signal: Signal, available: Mapping[str, EntryPoint]) -> str:
    if name == _OTLP:
        return (
            f"{signal.variable}: got 'otlp' from the environment; expected an installed OTLP "
            "exporter of the protocol in force, grpc or http/protobuf. pip install "
            "opentelemetry-exporter-otlp, or name another exporter."
        )
    allowed = sorted({*available, NONE} - {OURS}, key=str)
    if OURS in available:
        allowed.insert(0, OURS)
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"Did you mean {near[0]}?" if near else "Install its package or name another."
    if name.lower() == NONE:
        hint = "'none' stands alone."
    return (
        f"{signal.variable}: got {name!r} from the environment; expected installed exporters: "
        f"{', '.join(allowed)}. {hint}"
    )
