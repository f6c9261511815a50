"""What the place that a model was loaded from says of its name: pure functions of a URI."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

# MLflow writes it beside a model that it fetches from the registry: the version that an alias had
# then is in it, and a server that is started on the folder alone finds it.
_REGISTERED = "registered_model_meta"

# On a logged model: which registered versions it became, as JSON.
_VERSIONS_TAG = "mlflow.modelVersions"

# Folders that MLflow or ``tempfile`` made up: they say nothing, and are others at each start.
_MADE_UP = re.compile(r"artifacts|tmp[a-z0-9_]{8}|(m-)?[0-9a-f]{32}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A model's registered name and version, or the base name of what it was loaded from."""

    name: str = ""
    version: str = ""
    file: str = ""


def parse(uri: object) -> Source:
    """Return what a model URI says by itself: ``models:/fraud/3``, ``runs:/<id>/fraud``, a path."""
    text = _text(uri)
    parts = urlsplit(text, allow_fragments=False)
    places = [place for place in parts.path.replace("\\", "/").split("/") if place]
    if parts.scheme == "models":
        return _registered(places)
    if parts.scheme == "runs":
        places = places[1:]  # the run's id
    # The last alone: folders above it tell whose machine this is.
    last = places[-1] if places else ""
    return Source(file="" if is_made_up(last) else last)


def _registered(places: list[str]) -> Source:
    first, second = (*places, "", "")[:2]
    name, alias, _ = first.rpartition("@")
    if alias:
        return Source(name)
    if not second:  # models:/m-<id>: a logged model, which need not be registered
        return Source()
    # A stage, or "latest": the registry knows which version that is.
    return Source(first, second if second.isdecimal() else "")


def folder_of(uri: object) -> Path | None:
    """Return the local folder that a model URI means; None where it means none."""
    text = _text(uri)
    parts = urlsplit(text, allow_fragments=False)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    # One letter is a drive.
    return None if len(parts.scheme) > 1 or not text else Path(text)


def registered_in(folder: Path | None) -> Source:
    """Return what MLflow wrote beside a model that it had fetched from the registry."""
    file = folder / _REGISTERED if folder else None
    if file is None or not file.is_file():
        return Source()
    import yaml  # noqa: PLC0415 - MLflow's own, loaded already

    found = yaml.safe_load(file.read_text("utf-8")) or {}
    return known(found.get("model_name"), found.get("model_version"))


def registered_as(tags: Mapping[str, str]) -> Source:
    """Return the one registered version that a logged model became; nothing where it is several."""
    listed: list[dict[str, Any]] = json.loads(tags.get(_VERSIONS_TAG) or "[]")
    # A tracking server lists a version twice: once it says the number as text.
    found = {known(each.get("name"), each.get("version")) for each in listed}
    return found.pop() if len(found) == 1 else Source()


def known(name: object, version: object) -> Source:
    """Return a registered name and version as text; nothing where there is no name."""
    return Source(str(name), "" if version is None else str(version)) if name else Source()


def is_made_up(file: str) -> bool:
    """Say whether a base name is an id or a temporary folder's, which names nothing."""
    return _MADE_UP.fullmatch(file) is not None


def _text(uri: object) -> str:
    return str(os.fspath(uri)) if isinstance(uri, os.PathLike) else str(uri or "")
