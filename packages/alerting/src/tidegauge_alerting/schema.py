"""The JSON Schema of a file of alerts: for editors, and for checks without Tidegauge."""

from __future__ import annotations

import json
from typing import Any

from tidegauge_semconv import all_metrics

from tidegauge_alerting.alert_entries import TOGETHER, UNITS
from tidegauge_alerting.channel_entries import KINDS
from tidegauge_alerting.definitions import Comparison, Severity
from tidegauge_alerting.vendors import Request, Vendor, Written

_TEXT = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhd]$", "examples": ["5m", "1h", "1d"]}
_TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_NUMBER = {"type": "number"}
_CHANNEL_NAME = "^[A-Za-z0-9_.\\-]{1,64}$"


def schema() -> dict[str, Any]:
    """Return the schema, the same for the same version."""
    channel = {"enum": [*KINDS]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tidegauge-alerts.yaml",
        "description": "Alerts on models in production, and where they are sent.",
        **_closed(
            {
                "version": {"const": 1},
                "alerts": {"type": "array", "items": {"$ref": "#/$defs/alert"}},
                "channels": {
                    "type": "object",
                    "propertyNames": {"pattern": _CHANNEL_NAME},
                    "additionalProperties": {"$ref": "#/$defs/channel"},
                },
                "routes": _closed({each.value: _TEXTS for each in Severity}, []),
            },
            ["version"],
        ),
        "$defs": {
            "alert": _alert(),
            "measure": _measure(),
            "guard": _guard(),
            "where": {"type": "object", "additionalProperties": _TEXTS},
            "metric": {"enum": [spec.name for spec in all_metrics()]},
            "attributes": {
                "oneOf": [
                    {"$ref": "#/$defs/attribute"},
                    {"type": "array", "items": {"$ref": "#/$defs/attribute"}},
                ]
            },
            "attribute": {
                "enum": sorted({key for spec in all_metrics() for key in spec.attributes})
            },
            "channel": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": channel},
                "oneOf": [_channel(kind) for kind in KINDS],
            },
        },
    }


def _alert() -> dict[str, Any]:
    url = {"type": "string", "pattern": "^https?://"}
    return _closed(
        {
            "name": {
                "type": "string",
                "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$",
                "description": "One that is there already is changed in what this entry says.",
            },
            "enabled": {"type": "boolean", "description": "false leaves the alert out."},
            "metric": {"$ref": "#/$defs/metric"},
            "measure": {"$ref": "#/$defs/measure"},
            "comparison": {"enum": [each.value for each in Comparison]},
            "threshold": {
                "type": "number",
                "description": "In the unit of the measure: 5 % is 0.05.",
            },
            "low": {"type": "number", "description": "The lower end, with 'outside' alone."},
            "recovery": {"type": "number", "description": "Beyond it the alert ends."},
            "unit": {"enum": [*UNITS], "description": "What a threshold may be."},
            "guard": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/guard"}]},
            "for": {**_TIME, "description": "How long it has to hold."},
            "severity": {"enum": [each.value for each in Severity]},
            "cooldown": {**_TIME, "description": "How long it is not said again."},
            "channels": {**_TEXTS, "description": "Instead of those of the severity."},
            "runbook_url": {**url, "description": "{name} in it is the alert's name."},
            "summary": _TEXT,
            "description": _TEXT,
            "first_steps": {"type": "string"},
            "threshold_from": {"type": "string", "description": "Where the threshold comes from."},
            "needs": {"type": "string", "description": "What has to be installed or set."},
            "inhibits": {
                **_TEXTS,
                "description": "Alerts that say nothing new while this one fires.",
            },
            "see": {
                "oneOf": [
                    {"$ref": "#/$defs/metric"},
                    {"type": "array", "items": {"$ref": "#/$defs/metric"}},
                ]
            },
        },
        ["name"],
    )


def _measure() -> dict[str, Any]:
    by = {"$ref": "#/$defs/attributes"}
    where = {"$ref": "#/$defs/where"}
    together = {"enum": [*TOGETHER]}
    # An entry that changes another may leave out any of them.
    return _one_of(
        {
            "last": _closed({"where": where}, []),
            "across": _closed(
                {"each": together, "per": by, "over": together, "by": by, "where": where},
                [],
            ),
            "share": _closed({"part": where, "of": where, "by": by, "window": _TIME}, []),
            "increase": _closed({"by": by, "window": _TIME}, []),
            "vanished": _closed({"by": by, "window": _TIME}, []),
            "reachable": _closed({}, []),
            "quantile": _closed(
                {
                    "q": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                    "by": by,
                    "window": _TIME,
                },
                [],
            ),
            "stability_index": _closed(
                {
                    "by": by,
                    "bins": {"$ref": "#/$defs/attribute"},
                    "outside": _TEXTS,
                    "reference": {"$ref": "#/$defs/metric"},
                    "floor": _NUMBER,
                    "windows": {"type": "array", "items": _TIME, "minItems": 1},
                },
                [],
            ),
        }
    )


def _guard() -> dict[str, Any]:
    minimum = {"type": "number", "minimum": 1}
    metric = {"$ref": "#/$defs/metric"}
    return _one_of(
        {
            "events": minimum,
            "rows": _closed(
                {"metric": metric, "minimum": minimum, "where": {"$ref": "#/$defs/where"}}, []
            ),
            "effective": _closed({"metric": metric, "minimum": minimum}, []),
        }
    )


def _channel(kind: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": {"const": kind},
        "send_resolved": {"type": "boolean"},
    }
    match kind:
        case "email":
            properties |= {
                "to": _TEXTS, "from": _TEXT, "smarthost": _TEXT, "username": _TEXT,
                "require_tls": {"type": "boolean"}, **_secret("password"),
            }  # fmt: skip
        case "slack":
            properties |= {"channel": _TEXT, **_secret("url")}
        case "pagerduty":
            properties |= {"address": _TEXT, **_secret("routing_key")}
        case _:
            properties |= {"address": _TEXT, **_secret("url")}
    return _closed(properties, ["type"])


def _secret(key: str) -> dict[str, Any]:
    file = {"type": "string", "pattern": "^/", "description": "A file that holds it."}
    env = {**_TEXT, "description": "A variable that holds it."}
    return {f"{key}_file": file, f"{key}_env": env}


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": [*properties] if required is None else required,
    }


def _one_of(kinds: dict[str, Any]) -> dict[str, Any]:
    return {**_closed(kinds, []), "minProperties": 1, "maxProperties": 1}


def _written(_request: Request) -> Written:
    return Written(json.dumps(schema(), indent=2) + "\n", 0)


#: What the entry point ``schema`` finds.
VENDOR = Vendor(
    header='{\n  "$schema": "https://json-schema.org/draft/2020-12/schema",\n'
    '  "title": "tidegauge-alerts.yaml"',
    render=_written,
    steps=("Begin a file of alerts with: # yaml-language-server: $schema={file}",),
)
