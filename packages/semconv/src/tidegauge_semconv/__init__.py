"""Names, units, attributes, buckets and merge policies of what Tidegauge says: data only."""

from __future__ import annotations

from tidegauge_semconv import attributes, events, metrics
from tidegauge_semconv._spec import Kind, Merge, MetricSpec, all_metrics

__all__ = ["Kind", "Merge", "MetricSpec", "all_metrics", "attributes", "events", "metrics"]
