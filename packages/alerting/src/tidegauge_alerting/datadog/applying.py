"""Puts monitors into Datadog: what fails is said by name, and the rest is done."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tidegauge_alerting.datadog.api import METRICS, MONITORS, Api, ApiError, RefusedError
from tidegauge_alerting.datadog.monitors import MANAGED, key_of
from tidegauge_alerting.datadog.plan import Change, Kind, numbers_of, ours, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegauge_alerting.datadog.monitors import Monitor
    from tidegauge_alerting.datadog.scope import Scope

# What percentiles are needed for: themselves, and numbers of values beyond one.
_PERCENTILES = re.compile(r"(?:\bp[\d.]+|count\(v: [^)]*\)):([\w.]+)\{")
# Datadog refuses a second monitor that is the same in everything.
_DUPLICATE = re.compile(r"Duplicate of an existing monitor_id:(\d+)")


@dataclass(slots=True)
class Done:
    """What has been done: the names by what happened, and why something was not."""

    written: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def look(
    api: Api, wanted: Sequence[Monitor], scope: Scope, severities: Sequence[str] = ()
) -> list[Change]:
    """Return what would change; of other severities, where some are named, nothing.

    Raises
    ------
    ApiError
        Datadog does not say what there is.
    """
    return plan(wanted, ours(list(api.monitors(MANAGED)), scope), severities)


def refusals(api: Api, changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Return the monitors that Datadog would not take, and why: it is asked, and makes nothing.

    Of a composite it would have to know the numbers of the parts, which there may not be yet.
    """
    found = []
    for change in changes:
        if change.kind not in (Kind.CREATE, Kind.UPDATE) or change.composite or not change.monitor:
            continue
        path = f"{MONITORS}/{change.number}/validate" if change.number else f"{MONITORS}/validate"
        try:
            api.call("POST", path, change.monitor.body)
        except RefusedError:
            raise
        except ApiError as error:
            found.append((change.name, str(error)))
    return found


def without_percentiles(api: Api, wanted: Sequence[Monitor]) -> list[str]:
    """Return the metrics of which percentiles are asked for and are not turned on.

    Monitors on them would have no data, and nobody would see it. What the keys do not allow to be
    looked up is not among them.
    """
    asked = {
        name for monitor in wanted for name in _PERCENTILES.findall(str(monitor.body["query"]))
    }
    found = []
    for name in sorted(asked):
        try:
            answer = api.call("GET", f"{METRICS}/{name}/tags")
            on = bool(answer["data"]["attributes"].get("include_percentiles"))
        except RefusedError:
            continue
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # nobody has configured the metric
                raise
            on = False
        if not on:
            found.append(name)
    return found


class Writer:
    """Does what a plan says, and no more.

    Parameters
    ----------
    api : Api
        Where to.
    scope : Scope
        Whose monitors they are.
    prune : bool
        Delete what is no longer defined, too.
    say : callable
        Is told each thing that has been done.
    """

    def __init__(self, api: Api, scope: Scope, *, prune: bool, say: Callable[[str], None]) -> None:
        self._api = api
        self._scope = scope
        self._prune = prune
        self._say = say
        self._numbers: dict[str, int] = {}
        self._created: set[int] = set()
        self._done = Done()

    def write(self, changes: Sequence[Change]) -> Done:
        """Do it, and return what became of it.

        Raises
        ------
        RefusedError
            The keys do not allow it: nothing more was tried.
        """
        self._numbers = {each.key: each.number for each in changes if each.number and each.monitor}
        for change in changes:
            if change.kind is not Kind.SAME:
                self._attempt(change)
        if self._created:
            self._settle([each.monitor for each in changes if each.monitor])
        return self._done

    def _attempt(self, change: Change) -> None:
        try:
            done = self._do(change)
        except RefusedError:
            raise
        except ApiError as error:
            self._done.failed.append((change.name, str(error)))
            return
        if done:
            self._done.written.append(change.name)
            self._say(f"{change.kind.value} {change.name}")

    def _do(self, change: Change) -> bool:
        match change.kind:
            case Kind.CREATE:
                self._create(change)
            case Kind.UPDATE:
                self._api.call("PUT", f"{MONITORS}/{change.number}", self._body(change))
            case Kind.REPLACE if not self._prune:
                raise ApiError("its type would change; only --prune makes it anew")
            case Kind.REPLACE:
                self._delete(change.number)
                self._numbers.pop(change.key, None)
                self._create(change)
            case Kind.DELETE if self._prune:
                self._delete(change.number)
            case _:
                return False
        return True

    def _delete(self, number: int | None) -> None:
        try:
            self._api.call("DELETE", f"{MONITORS}/{number}")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # somebody else has deleted it
                raise

    def _create(self, change: Change) -> None:
        body = self._body(change)
        try:
            number = int(self._api.call("POST", MONITORS, body, makes=True)["id"])
        except ApiError as error:
            # Another run was faster, or the answer to an earlier one was lost.
            found = _DUPLICATE.search(str(error))
            if found is None or not self._is(change.key, int(found[1])):
                raise
            number = int(found[1])
        else:
            self._created.add(number)
        self._numbers[change.key] = number

    def _is(self, key: str, number: int) -> bool:
        there = self._api.call("GET", f"{MONITORS}/{number}")
        return bool(ours([there], self._scope)) and key_of(there["tags"]) == key

    def _body(self, change: Change) -> Mapping[str, Any]:
        assert change.monitor is not None  # noqa: S101 - of what is written there is one
        missing = [part for part in change.monitor.parts if part not in self._numbers]
        if missing:
            raise ApiError(f"its part {missing[0]} is not there")
        return change.monitor.with_numbers(self._numbers).body

    def _settle(self, wanted: Sequence[Monitor]) -> None:
        """Take back what another run has made at the same time: the older one stays.

        Each run takes back its own alone. So two runs never take back both.
        """
        found = ours(list(self._api.monitors(MANAGED)), self._scope)
        self._numbers |= numbers_of(found)
        mine = [
            each
            for each in found
            if int(each["id"]) in self._created
            and self._numbers[key_of(each["tags"])] != each["id"]
        ]
        if not mine:
            return
        for change in plan(wanted, found):
            # What is made of parts is to be made of those that stay.
            if change.kind is Kind.UPDATE and change.composite:
                self._attempt(change)
        for each in sorted(mine, key=lambda one: one.get("type") != "composite"):
            try:
                self._delete(int(each["id"]))
            except RefusedError:
                raise
            except ApiError as error:
                self._done.failed.append((str(each["name"]), f"made twice; {error}"))
