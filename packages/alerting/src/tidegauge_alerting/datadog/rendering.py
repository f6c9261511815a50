"""Monitors as a file: what ``tidegauge rules apply datadog`` would put into an organisation."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from tidegauge_alerting.datadog.monitors import Rendered, monitors
from tidegauge_alerting.vendors import Request, Vendor, Written

if TYPE_CHECKING:
    from tidegauge_alerting.datadog.scope import Scope

#: The first words of every file that we wrote.
HEADER = '{\n  "datadog_monitors": "made by tidegauge'


def rendered(request: Request, scope: Scope | None = None) -> Rendered:
    """Return the monitors that are asked for."""
    definitions = request.definitions
    if request.runbook_url:
        definitions = [
            each if each.runbook_url else dataclasses.replace(each, runbook_url=request.runbook_url)
            for each in definitions
        ]
    return monitors(definitions, request.channels, request.routes, scope)


def _written(request: Request) -> Written:
    found = rendered(request)
    left_out = {name for name, _ in found.left_out}
    document = {
        "datadog_monitors": f"made by {request.made_by}",
        "left_out": dict(found.left_out),
        "monitors": [dict(each.body) for each in found.monitors],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    number = sum(each.name not in left_out for each in request.definitions)
    return Written(text, number, found.left_out)


#: What the entry point ``datadog`` finds.
VENDOR = Vendor(
    header=HEADER,
    render=_written,
    steps=(
        "tidegauge rules apply datadog puts them into Datadog.",
        "Read what that would change first: without --yes it changes nothing.",
    ),
)
