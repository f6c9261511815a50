"""OpenTelemetry's names and attributes as Datadog takes them: pure.

Datadog would change what it does not take, each of its ways in its own manner, and DogStatsD would
read a comma or a line break as the end of something. So what leaves here needs no change: metric
names are ASCII letters, digits, ``_`` and ``.``; tags are letters and digits of any alphabet and
``_-:./``; neither is longer than 200 characters, and both begin with a letter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from tidegauge_exporter_datadog.points import Tags

MAX_LENGTH = 200

#: Tags that Datadog gives a meaning of its own, or attaches itself.
RESERVED = frozenset({"env", "service", "version", "host", "device", "source"})
# An app's attribute of such a name, as Prometheus renames what collides with its own labels.
_EXPORTED = "exported_"
# The Agent takes these out of the tags, for they direct it.
_OF_THE_AGENT = re.compile(r"dd\.internal\.|jmx_check_name$")

_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9_.]+")
# ``\w`` is any alphabet's letters and digits, and the underscore.
_NOT_IN_TAG = re.compile(r"[^\w.:/-]+")
_NOT_IN_KEY = re.compile(r"[^\w./-]+")


@lru_cache(maxsize=4096)
def metric_name(name: str) -> str:
    """Return a metric's name.

    Raises
    ------
    ValueError
        Nothing of the name is left.
    """
    clean = _NOT_IN_METRIC.sub("_", name).strip("_.")
    if not clean:
        raise ValueError(f"metric name: got {name!r}; expected a letter in it. Rename the metric.")
    if not clean[0].isalpha():
        clean = f"metric.{clean}"
    return clean[:MAX_LENGTH].rstrip("_.")


def attribute_tags(attributes: Mapping[str, object]) -> Tags:
    """Return the tags of a point's attributes, each key once, those without a value left out."""
    found: dict[str, str] = {}
    for key, value in attributes.items():
        made = _attribute_tag(key, value if isinstance(value, str) else _text(value))
        if made:
            found.setdefault(made.partition(":")[0], made)
    return tuple(found.values())


def tag(key: str, value: str) -> str:
    """Return ``key:value`` as a tag; nothing where either is empty."""
    key = _NOT_IN_KEY.sub("_", key).strip("_./-")
    value = _NOT_IN_TAG.sub("_", value)
    if not key or not value.strip("_:"):
        return ""
    if not key[0].isalpha():
        key = f"tag_{key}"
    # No tag ends with a colon.
    return f"{key}:{value}"[:MAX_LENGTH].rstrip(":") if len(key) < MAX_LENGTH - 1 else ""


def plain_tag(text: str) -> str:
    """Return a tag as somebody wrote it, with or without a value; nothing where nothing is left."""
    key, colon, value = text.partition(":")
    if colon:
        return tag(key, value)
    clean = _NOT_IN_KEY.sub("_", key).strip("_./-")
    return (clean if not clean or clean[0].isalpha() else f"tag_{clean}")[:MAX_LENGTH]


@lru_cache(maxsize=16384)
def _attribute_tag(key: str, value: str) -> str:
    made = tag(key, value)
    name = made.partition(":")[0]
    if name in RESERVED or _OF_THE_AGENT.match(name):
        return tag(_EXPORTED + name, value)
    return made


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, default=str)
