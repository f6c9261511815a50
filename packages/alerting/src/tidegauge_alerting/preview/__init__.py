"""Dashboards as one static page, drawn from a server's answers: useful without Grafana."""

from __future__ import annotations
