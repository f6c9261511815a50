"""Puts dashboards into Datadog: shown first, ours alone, and each failure by name."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tidegauge_alerting.datadog.api import DASHBOARDS, Api, ApiError, RefusedError
from tidegauge_alerting.datadog.dashboards import marker_in
from tidegauge_alerting.datadog.plan import Kind, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# A dashboard that differs everywhere would fill the terminal.
_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Sheet:
    """One dashboard and what it needs; of what is to be deleted there is no ``body``.

    ``name`` is what its description says that it is, ``identity`` is Datadog's own.
    """

    kind: Kind
    name: str
    title: str
    body: Mapping[str, Any] | None = None
    identity: str = ""
    lines: tuple[str, ...] = ()


def look(api: Api, wanted: Mapping[str, Mapping[str, Any]]) -> list[Sheet]:
    """Return what would change; ``wanted`` are dashboards by name.

    Raises
    ------
    ApiError
        Datadog does not say what there is.
    """
    there: dict[str, list[Mapping[str, Any]]] = {}
    for each in _ours(api):
        there.setdefault(marker_in(each["description"]), []).append(each)
    sheets = []
    for name, body in wanted.items():
        title = str(body["title"])
        if name not in there:
            sheets.append(Sheet(Kind.CREATE, name, title, body))
            continue
        identity = str(there[name][0]["id"])
        lines = tuple(differences(body, api.call("GET", f"{DASHBOARDS}/{identity}")))
        if len(lines) > _MOST_LINES:
            lines = (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more")
        kind = Kind.UPDATE if lines else Kind.SAME
        sheets.append(Sheet(kind, name, title, body, identity, lines))
    gone = [each for name, those in there.items() for each in those[name in wanted :]]
    return sheets + [
        Sheet(Kind.DELETE, marker_in(each["description"]), str(each["title"]), None, each["id"])
        for each in gone
    ]


def write(
    api: Api, sheets: Sequence[Sheet], *, prune: bool, say: Callable[[str], None]
) -> tuple[int, list[tuple[str, str]]]:
    """Do it, and return how many were written and which were not, and why.

    Raises
    ------
    RefusedError
        The keys do not allow it: nothing more was tried.
    """
    written, failed = 0, []
    created: set[str] = set()
    for sheet in sheets:
        if sheet.kind is Kind.SAME or (sheet.kind is Kind.DELETE and not prune):
            continue
        try:
            match sheet.kind:
                case Kind.CREATE:
                    made = api.call("POST", DASHBOARDS, sheet.body, makes=True)
                    created.add(str(made["id"]))
                case Kind.UPDATE:
                    api.call("PUT", f"{DASHBOARDS}/{sheet.identity}", sheet.body)
                case _:
                    _delete(api, sheet.identity)
        except RefusedError:
            raise
        except ApiError as error:
            failed.append((sheet.title, str(error)))
            continue
        written += 1
        say(f"{sheet.kind.value} {sheet.title}")
    if created:
        _settle(api, created)
    return written, failed


def differences(body: object, there: object, path: str = "") -> Iterator[str]:
    """Yield one line for each value of a body that differs; what Datadog adds is no difference."""
    if isinstance(body, dict) and isinstance(there, dict):
        for key, value in body.items():
            yield from differences(value, there.get(key), f"{path}.{key}" if path else key)
    elif isinstance(body, list) and isinstance(there, list) and len(body) == len(there):
        for place, (value, old) in enumerate(zip(body, there, strict=True)):
            yield from differences(value, old, f"{path}[{place}]")
    elif isinstance(body, list) and isinstance(there, list):
        yield f"{path}: {len(there)} become {len(body)}"
    elif body != there:
        yield f"{path}: {shown(there)} -> {shown(body)}"


def _ours(api: Api) -> list[Mapping[str, Any]]:
    """Return our dashboards in short, the oldest first."""
    found = api.call("GET", DASHBOARDS)
    if not isinstance(found, dict) or not isinstance(found.get("dashboards"), list):
        raise ApiError(f"{api.url}: got no list of dashboards. Look at the address.")
    mine = [each for each in found["dashboards"] if marker_in(each.get("description"))]
    return sorted(mine, key=lambda each: (str(each.get("created_at")), str(each["id"])))


def _settle(api: Api, created: set[str]) -> None:
    """Take back what another run has made at the same time: the older one stays."""
    seen: set[str] = set()
    for each in _ours(api):
        name = marker_in(each["description"])
        if name in seen and each["id"] in created:
            _delete(api, str(each["id"]))
        seen.add(name)


def _delete(api: Api, identity: str) -> None:
    try:
        api.call("DELETE", f"{DASHBOARDS}/{identity}")
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:  # somebody else has deleted it
            raise
