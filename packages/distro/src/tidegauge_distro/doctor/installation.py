"""What is installed, which of it OpenTelemetry would use, and whether it fits together."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distributions,
    entry_points,
    version,
)

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from packaging.requirements import Requirement

from tidegauge_distro import exporters, startup
from tidegauge_distro.by_hand import instrumentors
from tidegauge_distro.doctor.report import Report

_OTEL = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation")
_EXTRAS = {"instruments", "instruments-any"}


def examine(report: Report, environ: Mapping[str, str]) -> None:
    """Add packages, start-up plugins, exporters and integrations."""
    _packages(report)
    _loaders(report, environ)
    _exporters(report, environ)
    _integrations(report, environ)


def _packages(report: Report) -> None:
    rows = [("python", platform.python_version())]
    rows += [(name, _version(name)) for name in _OTEL]
    ours = {found.name: found.version for found in distributions() if _is_ours(found.name)}
    rows += sorted(ours.items())
    report.add("packages", ("package", "version"), rows)
    old = startup.old_instrumentation(startup.instrumentation_version())
    if old is not None:
        report.problems.append(old)


def _is_ours(name: str | None) -> bool:
    return name is not None and (name == "tidegauge" or name.startswith("tidegauge-"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _loaders(report: Report, environ: Mapping[str, str]) -> None:
    rows: list[tuple[str, ...]] = []
    for kind, ours in (("distro", "tidegauge_distro"), ("configurator", "tidegauge_configurator")):
        variable = f"OTEL_PYTHON_{kind.upper()}"
        names = [found.name for found in entry_points(group=f"opentelemetry_{kind}")]
        chosen = environ.get(variable, "").strip()
        wins = chosen or (names[0] if names else "none")
        rows.append((kind, wins, ", ".join(sorted(set(names) - {wins})) or "-"))
        if chosen and chosen not in names:
            report.problems.append(
                f"{variable}: got {chosen!r} from the environment; expected one of "
                f"{', '.join(sorted(names))}. Set it to {ours}."
            )
        elif chosen and chosen != ours:
            report.notes.append(
                f"{variable}={chosen} keeps Tidegauge's {kind} out; its defaults and its checks "
                "at the start are missing then."
            )
        elif len(names) > 1 and not chosen:
            report.problems.append(
                f"{len(names)} packages bring an OpenTelemetry {kind}, and the order of "
                f"installation decides: {wins} runs. Set {variable}={ours}."
            )
    report.add("start-up under opentelemetry-instrument", ("kind", "runs", "does not run"), rows)


def _exporters(report: Report, environ: Mapping[str, str]) -> None:
    rows: list[tuple[str, ...]] = []
    for signal in exporters.SIGNALS:
        text = environ.get(signal.variable, "").strip()
        origin = "environment" if text else "default"
        in_force = text or exporters.default(signal, environ)
        choice = exporters.choose(signal, {**environ, signal.variable: in_force})
        report.problems.extend(choice.errors)
        others = ", ".join(sorted(exporters.installed(signal))) or "-"
        rows.append((signal.name, in_force, origin, others))
        if signal is exporters.METRICS and in_force == exporters.NONE and not text:
            report.problems.append(exporters.NOWHERE)
    report.add("exporters", ("signal", "in force", "origin", "installed"), rows)


def _integrations(report: Report, environ: Mapping[str, str]) -> None:
    disabled = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    off = {name.strip() for name in disabled.split(",")}
    rows: list[tuple[str, ...]] = []
    found = instrumentors()
    for entry_point in found:
        state = "ready"
        conflict = get_dist_dependency_conflicts(entry_point.dist) if entry_point.dist else None
        if entry_point.name in off or "*" in off:
            state = "disabled"
        elif conflict is not None and not (conflict.found or getattr(conflict, "found_any", None)):
            state = "library not installed"
        elif conflict is not None:
            state = "library does not fit"
            report.problems.append(f"{conflict}")
        else:
            state = _loads(report, entry_point)
        own = entry_point.dist.version if entry_point.dist else ""
        rows.append((entry_point.name, own, _targets(entry_point), state))
    report.add("integrations", ("name", "version", "library", "state"), rows)
    if not found:
        report.problems.append(
            "No integration is installed, so only predictions recorded by hand are seen. "
            "pip install tidegauge-sklearn, or the one for your library."
        )


def _loads(report: Report, entry_point: EntryPoint) -> str:
    try:
        entry_point.load()
    except Exception as error:
        report.problems.append(
            f"{entry_point.name}: cannot be loaded ({type(error).__name__}: {error}). "
            "Repair or reinstall its package."
        )
        return "broken"
    return "ready"


def _targets(entry_point: EntryPoint) -> str:
    requires = (entry_point.dist.requires if entry_point.dist else None) or []
    wanted = []
    for text in requires:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and any(marker.evaluate({"extra": extra}) for extra in _EXTRAS):
            wanted.append(
                f"{requirement.name}{requirement.specifier}: {_version(requirement.name)}"
            )
    return ", ".join(wanted) or "-"
