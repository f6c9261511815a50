"""Alerting without a backend: the same definitions, judged on a service's own ``/metrics``."""

from __future__ import annotations
