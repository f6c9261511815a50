"""Write docs/reference/metrics.md from tidegauge_semconv; ``--check`` only compares."""

from __future__ import annotations

import sys

from pages import write_or_check
from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_semconv import all_metrics

HEAD = """\
# Metrics

Generated from `tidegauge_semconv` by `tools/render_metrics.py`.

A metric always carries all of its attributes, empty where unknown.
No data is no data point: never 0, never NaN.
In Prometheus a histogram's series end in `_bucket`, `_count` and `_sum`.
Names of parts that are not there yet (see the README) are kept free for them.

| OpenTelemetry | Prometheus | kind | unit | attributes | what it is |
| --- | --- | --- | --- | --- | --- |
"""


def render() -> str:
    """Return the page."""
    lines = []
    buckets = []
    for spec in all_metrics():
        keys = ", ".join(f"`{key}`" for key in spec.attributes)
        unit = f"`{spec.unit}`" if spec.unit else "none"
        lines.append(
            f"| `{spec.name}` | `{prometheus_name(spec)}` | {spec.kind} | {unit} | {keys} | "
            f"{spec.description} |"
        )
        if spec.buckets:
            edges = ", ".join(f"{edge:g}" for edge in spec.buckets)
            buckets.append(f"- `{spec.name}`: {edges}")
    return (
        HEAD + "\n".join(lines) + "\n\n## Buckets\n\nUpper edges, the last one infinite:\n\n"
        + "\n".join(buckets) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(write_or_check("metrics.md", render()))
