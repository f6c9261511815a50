"""Write what is made of the alerts' definitions; ``--check`` only compares.

That is docs/reference/alerts.md, and in packages/alerting/rendered one file for each vendor.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

from pages import write_or_check
from tidegauge_alerting import AlertDefinition, AlertFile, load, vendors
from tidegauge_alerting.promql import duration
from tidegauge_alerting.texts import Placeholder, constant, parts
from tidegauge_alerting.words import condition, labels

ROOT = Path(__file__).parent.parent
RENDERED = ROOT / "packages" / "alerting" / "rendered"
#: The file of alerts that the vendors' files are made of.
EXAMPLE = RENDERED / "tidegauge-alerts.yaml"
FILES = {
    "alertmanager": "alertmanager.yml",
    "datadog": "datadog-monitors.json",
    "kubernetes": "kubernetes.yaml",
    "prometheus": "prometheus.rules.yml",
    "schema": "tidegauge-alerts.schema.json",
}

HEAD = """\
# Alerts

Generated from the definitions by `tools/render_alerts.py`.

These come with the packages; [how to use, change and send them](../how-to/alerts.md).
`critical` wakes somebody, `warning` waits for the day, `info` is a note.
An alert is not said again before its cooldown is over.
A metric's name in Prometheus is in [metrics](metrics.md).

| alert | severity | begins when | for | cooldown |
| --- | --- | --- | --- | --- |
"""


def page(file: AlertFile) -> str:
    """Return the page of the reference."""
    every = (*file.alerts, *file.off)
    rows = [
        f"| [`{each.name}`](#{each.name.lower()}) | {each.severity.value} | {condition(each)} | "
        f"{duration(each.for_s) if each.for_s else 'at once'} | {duration(each.cooldown_s)} |"
        for each in every
    ]
    off = {each.name for each in file.off}
    return (
        HEAD
        + "\n".join(rows)
        + "\n\n"
        + "\n".join(_section(each, off=each.name in off) for each in every)
    )


def _section(alert: AlertDefinition, *, off: bool) -> str:
    lines = [f"## {alert.name}\n", f"> {_shown(alert.summary, alert)}\n"]
    lines += [*_sentences(_shown(alert.description, alert)), ""]
    if alert.first_steps:
        lines += ["**First steps.**", *_sentences(_shown(alert.first_steps, alert)), ""]
    if alert.threshold_from:
        lines += ["**Where the threshold comes from.**", *_sentences(alert.threshold_from), ""]
    if alert.recovery is not None:
        lines += [f"Once it fires, it ends at {alert.recovery:g}.", ""]
    if off:
        lines += ["It is off: `enabled: true` turns it on.", ""]
    if alert.needs:
        lines += [f"It needs {alert.needs}.", ""]
    if alert.inhibits:
        names = ", ".join(f"`{name}`" for name in alert.inhibits)
        lines += [f"While it fires, Alertmanager keeps {names} about the same still.", ""]
    if alert.labels:
        lines += [f"Labels: {labels(alert)}.", ""]
    return "\n".join(lines)


def _shown(text: str, alert: AlertDefinition) -> str:
    """Return a text with what is known, and the names of what is not."""
    return "".join(
        part if isinstance(part, str) else _placeholder(part, alert) for part in parts(text, alert)
    )


def _placeholder(part: Placeholder, alert: AlertDefinition) -> str:
    fixed = constant(part, alert)
    if fixed is not None:
        return fixed
    if part.name == "see":
        return " and ".join(f"`{spec.name}`" for spec in alert.see)
    return f"{{{part.name}}}"


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.:;?]) +(?=[A-Z`])", text.strip())


def rendered() -> dict[Path, str]:
    """Return every vendor's file by its path."""
    file = load(EXAMPLE)
    found = {}
    for name, file_name in FILES.items():
        request = vendors.Request(
            file.alerts,
            f"tidegauge rules render {name} --alerts {EXAMPLE.name}",
            channels={channel.name: channel for channel in file.channels},
            routes=file.routes,
        )
        # The version changes with every release, and what is rendered does not.
        text = vendors.load(name).render(request).text
        made = f" (tidegauge-alerting {version('tidegauge-alerting')})"
        found[RENDERED / file_name] = text.replace(made, "")
    return found


def main() -> int:
    """Write or compare everything; return 1 where something is stale."""
    status = write_or_check("alerts.md", page(load()))
    for path, text in rendered().items():
        old = path.read_text("utf-8") if path.exists() else None
        if old == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} is stale: python tools/render_alerts.py")
            status = 1
        else:
            path.write_text(text, "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
