"""What Datadog takes as a monitor: its own client's models, and the grammar of its reference.

The grammar is written from the reference of the API (metric and composite queries) and from the
pages on filters, distributions and functions; it knows what we use and refuses everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

_NAME = r"[a-zA-Z][a-zA-Z0-9_.]*"
_KEY = r"[a-z][\w./-]*"
_VALUE = r"[\w.:/-]+"
_PAIR = rf"{_KEY}:(?:{_VALUE}\*?|\*)"
# "!" and "," may not stand beside AND, OR, NOT and IN.
_SYMBOLS = re.compile(rf"!?{_PAIR}(,!?{_PAIR})*|\*")
_WORD = rf"(?:(?:NOT )?{_PAIR}|{_KEY} (?:NOT )?IN \({_VALUE}(?:,{_VALUE})*\))"
_TERM = rf"(?:{_WORD}|\({_WORD}(?: (?:AND|OR) {_WORD})*\))"
_WORDS = re.compile(rf"{_TERM}(?: (?:AND|OR) {_TERM})*")
_GROUPS = re.compile(rf"{_KEY}(,{_KEY})*")

_SPACE = r"(?:avg|sum|min|max|p\d{1,2}(?:\.\d{1,2})?|count\(v: v(?:>=|<=|>|<)\d+(?:\.\d+)?\))"
_SERIES = re.compile(
    rf"(?P<space>{_SPACE}):(?P<metric>{_NAME})\{{(?P<filter>[^{{}}]*)\}}"
    r"(?: by \{(?P<groups>[^{}]*)\})?(?P<count>\.as_count\(\))?"
)
# Pictures have more words than monitors.
_LINE = re.compile(
    _SERIES.pattern.replace(_SPACE, f"(?:{_SPACE}|count)").replace(
        r"(?P<count>\.as_count\(\))?",
        r"(?P<count>\.as_(?:count|rate)\(\))?(?:\.rollup\(sum, \d+\))?",
    )
)
_FUNCTIONS = {
    "abs": 1, "clamp_max": 2, "clamp_min": 2, "count_nonzero": 1, "count_not_null": 1,
    "default_zero": 1,
}  # fmt: skip
_NUMBER = re.compile(r"\d+(\.\d+)?")
_MONITOR = re.compile(
    r"(?P<time>avg|sum|min|max|percentile)\((?P<window>last_[0-9a-z]+)\):"
    r"(?P<formula>.+) (?P<operator><|<=|>|>=|==|!=) (?P<threshold>-?\d+(\.\d+)?)"
)
_WINDOW = re.compile(r"last_(?:(?P<m>\d+)m|(?P<h>\d+)h|1d|1w)")
_COMPOSITE = re.compile(r"!?\(?\d+\)?( (&&|\|\|) !?\(?\d+\)?)*")
_MOST_PARTS = 10
# The longest windows, in minutes and in hours.
_MOST_M, _MOST_H = 10_080, 168


def check_query(query: str, kind: str) -> None:
    """Raise a ValueError where a monitor's query is not one of its kind."""
    if kind == "composite":
        if not _COMPOSITE.fullmatch(query):
            raise ValueError(f"The value provided for parameter 'query' is invalid: {query}")
        if len(re.findall(r"\d+", query)) > _MOST_PARTS:
            raise ValueError("composite monitors have at most 10 parts")
        return
    found = _MONITOR.fullmatch(query)
    if found is None:
        raise ValueError(f"The value provided for parameter 'query' is invalid: {query}")
    _check_window(found["window"])
    seen = _Formula(found["formula"]).series()
    if any(each["count"] for each in seen) and found["time"] != "sum":
        raise ValueError("as_count() needs the time aggregation sum")
    if found["time"] == "percentile" and not all(each["space"].startswith("p") for each in seen):
        raise ValueError("the time aggregation percentile needs a percentile")
    if len({each["groups"] for each in seen}) > 1:
        raise ValueError("the queries of a formula have different groups")


@dataclass(frozen=True, slots=True)
class Read:
    """One series of a query: what it is called, how it is read, and the tags that it needs."""

    metric: str
    space: str
    modifier: str
    keys: frozenset[str]


def read_by(text: str) -> list[Read]:
    """Return the series that a query of a monitor or a picture reads."""
    return [
        Read(
            found["metric"],
            found["space"],
            found["count"] or "",
            frozenset(_keys(found)),
        )
        for found in _LINE.finditer(re.sub(r"\$(\w+)", r"\1:any", text))
    ]


def _keys(found: re.Match[str]) -> set[str]:
    keys = set(re.findall(r"([\w.-]+):", found["filter"]))
    keys |= set(re.findall(r"([\w.-]+) (?:NOT )?IN \(", found["filter"]))
    return keys | set((found["groups"] or "").split(",")) - {""}


def check_dashboard(body: Any) -> None:
    """Raise a ValueError where a body is no dashboard, or its widgets ask what cannot be asked."""
    check_model(body, "dashboard")
    variables = {each["name"] for each in body["template_variables"]}
    for group in body["widgets"]:
        for widget in group["definition"]["widgets"]:
            for request in widget["definition"]["requests"]:
                _check_request(request, variables)


def _check_request(request: Any, variables: set[str]) -> None:
    names = {}
    for each in request["queries"]:
        text = each["query"]
        unknown = set(re.findall(r"\$(\w+)", text)) - variables
        if unknown:
            raise ValueError(f"query: no template variable {', '.join(sorted(unknown))}")
        found = _LINE.fullmatch(re.sub(r"\$(\w+)", r"\1:any", text))
        if found is None:
            raise ValueError(f"query: {text} is invalid")
        _Formula.check(found)
        names[each["name"]] = f"sum:{each['name']}{{*}}"
        if ("aggregator" in each) != (request["response_format"] == "scalar"):
            raise ValueError("an aggregator is of one number, and of nothing else")
    for each in request["formulas"]:
        text = re.sub(r"query\d+", lambda name: names[name[0]], each["formula"])
        _Formula(text).series()


def groups_of(query: str) -> tuple[str, ...]:
    """Return the tags that a metric monitor's query is grouped by."""
    found = _SERIES.search(query)
    return tuple(found["groups"].split(",")) if found and found["groups"] else ()


def check_monitor(body: Any) -> None:
    """Raise a ValueError where a body is no monitor that the API would create."""
    check_model(body, "monitor")
    kind = body["type"]
    check_query(body["query"], kind)
    options = body.get("options", {})
    thresholds = options.get("thresholds", {})
    if kind != "composite":
        threshold = float(body["query"].rpartition(" ")[2])
        if thresholds.get("critical") != threshold:
            raise ValueError("Alert threshold (in options) does not match that used in the query")
        _check_recovery(thresholds, body["query"].split(" ")[-2])
    elif thresholds:
        raise ValueError("composite monitors have no thresholds")
    wrong = set(options.get("notify_by", ())) - {*groups_of(body["query"]), "*"}
    if wrong:
        raise ValueError(f"notify_by: {', '.join(sorted(wrong))} is no group of the query")
    if body.get("priority") not in (None, 1, 2, 3, 4, 5):
        raise ValueError("priority is from 1 to 5")
    for tag in body.get("tags", ()):
        if not re.fullmatch(r"[a-z][\w.:/-]{0,199}", tag) or tag != tag.lower():
            raise ValueError(f"tag {tag!r} would be changed")


def check_model(body: Any, name: str) -> None:
    """Raise a ValueError where a body is not of the client's model ``monitor`` or ``dashboard``."""
    from datadog_api_client import exceptions, model_utils  # noqa: PLC0415 - as in _model

    convert: Any = model_utils.validate_and_convert_types
    try:
        found = convert(body, (_model(name),), ["body"], True, True)
    except (exceptions.ApiTypeError, exceptions.ApiValueError, TypeError) as error:
        raise ValueError(str(error)) from error
    _check_known(found, body, name)


def _check_known(model: Any, raw: Any, path: str) -> None:
    """Refuse what the models keep without knowing it, at any depth."""
    if isinstance(raw, list):
        for number, each in enumerate(raw):
            _check_known(model[number], each, f"{path}[{number}]")
        return
    if not isinstance(raw, dict):
        if getattr(model, "_unparsed", False):
            raise ValueError(f"{path}: got {raw!r}, which is not among the values allowed")
        return
    if isinstance(model, dict):
        return
    instance = getattr(model, "get_oneof_instance", None)
    if callable(instance) and model._composed_schemas.get("oneOf"):  # noqa: SLF001 - by type
        model = instance()
    if getattr(model, "_unparsed", False):
        raise ValueError(f"{path}: got {raw!r}, which has no form that is allowed")
    for key, value in raw.items():
        if key not in model.attribute_map:
            raise ValueError(f"{path}.{key}: unknown")
        _check_known(model[key], value, f"{path}.{key}")


@cache
def _model(name: str) -> Any:
    # Only the tests of one package have it; all of its models would take seconds.
    if name == "monitor":
        from datadog_api_client.v1.model.monitor import Monitor  # noqa: PLC0415

        return Monitor
    from datadog_api_client.v1.model.dashboard import Dashboard  # noqa: PLC0415

    return Dashboard


def _check_window(text: str) -> None:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"window {text} is unknown")
    minutes, hours = int(found["m"] or 1), int(found["h"] or 1)
    if not (1 <= minutes <= _MOST_M and 1 <= hours <= _MOST_H):
        raise ValueError(f"window {text} is out of bounds")


def _check_recovery(thresholds: Any, operator: str) -> None:
    recovery, critical = thresholds.get("critical_recovery"), thresholds["critical"]
    if recovery is None:
        return
    below = operator in (">", ">=")
    if operator in ("==", "!=") or (recovery >= critical if below else recovery <= critical):
        raise ValueError("the recovery threshold is on the wrong side of the threshold")


class _Formula:
    """A metric query: series, numbers, functions, ``+ - * /`` and brackets."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._series: list[re.Match[str]] = []

    def series(self) -> list[re.Match[str]]:
        """Return the series that it reads, once all of it has been understood."""
        self._sum()
        if self._at != len(self._text):
            raise ValueError(f"query: unexpected {self._text[self._at :]!r}")
        if not self._series:
            raise ValueError("query: no metric in it")
        return self._series

    def _sum(self) -> None:
        self._one()
        while found := re.compile(r" [-+*/] ").match(self._text, self._at):
            self._at = found.end()
            self._one()

    def _one(self) -> None:
        if found := _SERIES.match(self._text, self._at):
            self.check(found)
            self._series.append(found)
            self._at = found.end()
        elif found := _NUMBER.match(self._text, self._at):
            self._at = found.end()
        elif found := re.compile(r"([a-z_]*)\(").match(self._text, self._at):
            self._at = found.end()
            self._inside(_FUNCTIONS.get(found[1], 1 if not found[1] else 0), found[1])
        else:
            raise ValueError(f"query: unexpected {self._text[self._at :]!r}")

    def _inside(self, arguments: int, name: str) -> None:
        if not arguments:
            raise ValueError(f"query: function {name} is unknown")
        self._sum()
        for _ in range(arguments - 1):
            self._expect(", ")
            self._sum()
        self._expect(")")

    def _expect(self, text: str) -> None:
        if not self._text.startswith(text, self._at):
            raise ValueError(f"query: expected {text!r} at {self._text[self._at :]!r}")
        self._at += len(text)

    @staticmethod
    def check(found: re.Match[str]) -> None:
        """Refuse a series whose filter or groups cannot be."""
        if not (_SYMBOLS.fullmatch(found["filter"]) or _WORDS.fullmatch(found["filter"])):
            raise ValueError(f"query: filter {{{found['filter']}}} is invalid")
        if found["groups"] is not None and not _GROUPS.fullmatch(found["groups"]):
            raise ValueError(f"query: groups {{{found['groups']}}} are invalid")
