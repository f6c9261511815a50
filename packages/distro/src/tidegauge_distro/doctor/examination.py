"""The command: examine, show, and say what to put right."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from tidegauge.command import Command, Terminal

from tidegauge_distro import settings
from tidegauge_distro.doctor import configuration, endpoint, installation, references, series
from tidegauge_distro.doctor.report import Report


def examine() -> Report:
    """Look at this environment; nothing is changed and nothing stays open."""
    environ = dict(settings.environment())
    report = Report()
    installation.examine(report, environ)
    configuration.examine(report, environ)
    series.examine(report, environ, references.examine(report))
    models = dict.fromkeys([*configuration.model_names(), *references.model_names()])
    configuration.doubt(report, list(models))
    endpoint.examine(report, environ)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write the report as JSON")


def _run(arguments: Namespace, terminal: Terminal) -> int:
    report = examine()
    if arguments.json:
        terminal.write(json.dumps(report.data(), indent=2) + "\n")
    else:
        show(report, terminal)
    return 1 if report.problems else 0


def show(report: Report, terminal: Terminal) -> None:
    """Write the report for people; what to put right stands last."""
    for section in report.sections:
        terminal.table(section.title, section.columns, section.rows)
        terminal.print()
    for note in report.notes:
        terminal.print(f"note: {note}")
    if report.notes:
        terminal.print()
    if not report.problems:
        terminal.print("ok")
        return
    terminal.print("To put right:")
    for number, problem in enumerate(report.problems, 1):
        terminal.print(f"{number}. {problem}")


COMMAND = Command(
    summary="Say what is installed and in force here, and what to put right.",
    example="TIDEGAUGE_REFERENCE=fraud.reference.json tidegauge doctor",
    arguments=_arguments,
    run=_run,
)
