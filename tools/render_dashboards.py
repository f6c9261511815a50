"""Write packages/alerting/rendered: dashboards of each vendor; ``--check`` only compares."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from tidegauge_alerting import dashboard_vendors, load
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.grafana.rules import VENDOR
from tidegauge_alerting.vendors import Request

FOLDER = Path(__file__).parent.parent / "packages" / "alerting" / "rendered"
#: The file of alerts that all of it is made of.
EXAMPLE = FOLDER / "tidegauge-alerts.yaml"


def render() -> dict[Path, str]:
    """Return the text of each file, without our version: it changes, and what is made does not."""
    file = load(EXAMPLE)
    alerts = {alert.name: alert for alert in (*file.alerts, *file.off)}
    files = {
        FOLDER / vendor / name: text
        for vendor in dashboard_vendors.names()
        for name, text in dashboard_vendors.load(vendor)(load_dashboards(), alerts).files.items()
    }
    request = Request(
        file.alerts,
        f"tidegauge rules render grafana --alerts {EXAMPLE.name}",
        channels={channel.name: channel for channel in file.channels},
        routes=file.routes,
    )
    files[FOLDER / "grafana" / "alerting" / "tidegauge.yaml"] = VENDOR.render(request).text
    made = f" (tidegauge-alerting {version('tidegauge-alerting')})"
    return {path: text.replace(made, "") for path, text in files.items()}


def main() -> int:
    """Write the files, and remove those that are none any more; or say which are stale."""
    files = render()
    folders = {FOLDER / vendor for vendor in dashboard_vendors.names()}
    there = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    stale = {
        path for path, text in files.items() if path not in there or path.read_text("utf-8") != text
    }
    if "--check" in sys.argv[1:]:
        for path in sorted(stale | (there - set(files))):
            print(f"{path.relative_to(FOLDER.parent)} is stale: python tools/{Path(__file__).name}")
        return 1 if stale or there - set(files) else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    for path in there - set(files):
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
