"""Names, units, attributes, buckets and merge policies of Tidegauge's metrics: data only."""

from __future__ import annotations

from tidegauge_semconv import attributes, metrics
from tidegauge_semconv._spec import Kind, Merge, MetricSpec, all_metrics

__all__ = ["Kind", "Merge", "MetricSpec", "all_metrics", "attributes", "metrics"]
