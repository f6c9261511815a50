"""``tidegauge rules check``: whether alerts can be used, before anybody relies on them."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from tidegauge.command import Command

from tidegauge_alerting import replay_command, vendors
from tidegauge_alerting.alertmanager import configuration
from tidegauge_alerting.channels import Secret, SecretError
from tidegauge_alerting.command import add_choice, chosen
from tidegauge_alerting.prometheus import rule_groups

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tidegauge.command import Terminal

    from tidegauge_alerting.channels import Channel
    from tidegauge_alerting.vendors import Request

# A check of a file of a thousand rules takes a second.
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: ``problems`` are lines that say what to do, none if all is well."""

    what: str
    result: str
    problems: tuple[str, ...] = ()


def findings(request: Request, *, secrets: bool = True) -> Iterator[Finding]:
    """Yield what each check of the alerts finds; the file itself has been read."""
    number = len(request.definitions)
    yield Finding("names, types, texts", f"{number} alerts, {len(request.channels)} channels")
    for name in vendors.names():
        yield _rendered(request, name)
    yield _promql(request)
    yield _by_tool("promtool", ("check", "rules"), {"groups": rule_groups(request.definitions)})
    try:
        routes = configuration(request)
    except ValueError:
        pass  # said under its vendor
    else:
        yield _by_tool("amtool", ("check-config",), routes)
    if secrets:
        yield _secrets(request)


def _rendered(request: Request, name: str) -> Finding:
    what = f"for {name}"
    try:
        written = vendors.load(name).render(request)
    except ValueError as error:
        # Something that this vendor does not have; who uses another one need not care.
        return Finding(what, f"not these: {error}")
    except (TypeError, ImportError) as error:
        return Finding(what, "cannot be written", (f"{name}: {error}",))
    left_out = ", ".join(each for each, _ in written.left_out)
    return Finding(what, f"without {left_out}" if left_out else "all")


def _promql(request: Request) -> Finding:
    what = "expressions"
    try:
        import promql_parser  # noqa: PLC0415 - an extra
    except ImportError:
        return Finding(what, "not parsed: pip install 'tidegauge-alerting[check]'")
    problems = []
    number = 0
    for group in rule_groups(request.definitions):
        for rule in group["rules"]:
            number += 1
            try:
                promql_parser.parse(rule["expr"])
            except ValueError as error:
                name = rule.get("alert") or rule["record"]
                problems.append(f"{name}: its expression is no PromQL ({error}).")
    return Finding(what, f"{number} parse", tuple(problems))


def _by_tool(tool: str, words: tuple[str, ...], document: object) -> Finding:
    program = shutil.which(tool)
    if program is None:
        return Finding(tool, "not installed here")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checked.yml"
        path.write_text(yaml.safe_dump(json.loads(json.dumps(document))), "utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - a program found by name, on a file of ours
                [program, *words, str(path)],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Finding(tool, "did not run", (f"{tool}: {error}.",))
    if done.returncode == 0:
        return Finding(tool, "accepts them")
    said = (done.stdout + done.stderr).replace(str(path), "the rendered file").strip()
    return Finding(tool, "refuses them", (f"{tool}: {said}",))


def _secrets(request: Request) -> Finding:
    problems = []
    number = 0
    for channel in request.channels.values():
        for secret in _of(channel):
            number += 1
            try:
                secret.read()
            except SecretError as error:
                problems.append(f"channel {channel.name}: {error}")
    return Finding("secrets", f"{number - len(problems)} of {number} are there", tuple(problems))


def _of(channel: Channel) -> Iterator[Secret]:
    for secret in (channel.url, channel.routing_key, channel.password):
        if secret is not None:
            yield secret


def _arguments(parser: ArgumentParser) -> None:
    add_choice(parser)
    parser.add_argument(
        "--skip-secrets",
        action="store_true",
        help="do not look whether the channels' secrets are on this machine",
    )
    replay_command.add_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    request = chosen(arguments, "tidegauge rules check")
    found = list(findings(request, secrets=not arguments.skip_secrets))
    terminal.table(
        "Alerts",
        ("check", "result"),
        [(each.what, "wrong" if each.problems else each.result) for each in found],
    )
    problems = [problem for each in found for problem in each.problems]
    for problem in problems:
        terminal.print(problem)
    if problems:
        return 1
    if arguments.replay is not None:
        return replay_command.replayed(arguments, terminal)
    return 0


#: What the entry point ``rules check`` finds.
CHECK = Command(
    summary="Say whether the alerts can be used, and how often they would have fired.",
    example=(
        "tidegauge rules check --replay http://localhost:9090 --threshold DataDriftDetected=0.3"
    ),
    arguments=_arguments,
    run=_run,
)
