"""Alerts and dashboards for Datadog: monitors as JSON, and what puts them into an organisation."""
