"""What Grafana reads: dashboards, and files that provision them with alert rules and channels."""

from __future__ import annotations
