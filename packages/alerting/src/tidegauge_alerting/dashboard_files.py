"""Reads the dashboards of all packages: YAML to ``panels``, every mistake by file and place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from importlib import resources
from importlib.metadata import entry_points
from typing import Any, TypeVar

import yaml
from tidegauge_semconv import Kind as Metric
from tidegauge_semconv import MetricSpec, all_metrics, attributes

from tidegauge_alerting.measures import Where
from tidegauge_alerting.panels import (
    Aggregate,
    Dashboard,
    Kind,
    Mark,
    Over,
    Panel,
    Query,
    Row,
    Variable,
    Width,
)

#: The entry points that name a YAML file of a package.
GROUP = "tidegauge_dashboards"

_VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_WINDOW = re.compile(r"([1-9]\d{0,4})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FUNCTIONS = ("sum", "avg", "min", "max", "count")
_MOST = 50  # lines of one picture: nobody reads more, and some vendors draw no more
_GAUGES = (Metric.GAUGE, Metric.UPDOWN)
# Which kinds of metric an aggregate can be made of.
_OF = {
    Aggregate.RATE: (Metric.COUNTER, Metric.HISTOGRAM),
    Aggregate.INCREASE: (Metric.COUNTER,),
    Aggregate.SHARE: (Metric.COUNTER,),
    Aggregate.QUANTILE: (Metric.HISTOGRAM,),
    Aggregate.SUM: _GAUGES,
    Aggregate.AVG: _GAUGES,
    Aggregate.MIN: _GAUGES,
    Aggregate.MAX: _GAUGES,
    Aggregate.STABILITY: (Metric.COUNTER,),
    Aggregate.REACHABLE: (Metric.COUNTER, *_GAUGES),
    Aggregate.APPEARS: (Metric.COUNTER, *_GAUGES),
}
# Attributes that the answer has and the metric has not: the place that a series comes from as
# Prometheus knows it, and the window of an index.
_MORE = {Aggregate.REACHABLE: ("job", "instance"), Aggregate.STABILITY: (attributes.WINDOW,)}

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class DashboardError(ValueError):
    """A file of dashboards says something that cannot be shown."""


def load_dashboards() -> tuple[Dashboard, ...]:
    """Return the dashboards of all installed packages, ours first.

    Raises
    ------
    DashboardError
        A file cannot be read, or says what cannot be shown; the message names the place.
    """
    own = resources.files("tidegauge_alerting") / "dashboards"
    texts = [
        (path.name, path.read_text("utf-8"))
        for path in sorted(own.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".yaml")
    ]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        name = f"{point.module}/{point.attr}"
        try:
            texts.append((name, (resources.files(point.module) / point.attr).read_text("utf-8")))
        except (OSError, ImportError) as error:
            raise DashboardError(
                f"entry point {point.name} of {GROUP}: got {point.value!r}, which cannot be read "
                f"({error}); expected package:file.yaml. Reinstall or remove that package."
            ) from error
    return read_dashboards(texts)


def read_dashboards(texts: Iterable[tuple[str, str]]) -> tuple[Dashboard, ...]:
    """Return the dashboards of some files, each a name and a text.

    Raises
    ------
    DashboardError
        A text is no YAML, or says what cannot be shown; the message names the place.
    """
    found: dict[str, Dashboard] = {}
    more: list[tuple[_Place, str, tuple[Row, ...]]] = []
    for file, text in texts:
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DashboardError(
                f"{file}: got no YAML ({error}); expected a mapping. Correct it."
            ) from error
        place = _Place(file, data)
        place.pick("version", lambda at, value: at.member(value, (_VERSION,)))
        name = place.pick("dashboard", lambda at, value: at.match(value, _NAME, "a short name"))
        rows = tuple(place.each("rows", _row))
        if place.has("title"):
            if name in found:
                raise place.error(name, f"a new name: {file} is the second with a title")
            found[name] = Dashboard(
                name,
                place.pick("title", _text),
                place.pick("description", _text),
                rows,
                tuple(place.each("variables", _variable)),
                tuple(place.each("marks", _mark)),
            )
        else:
            more.append((place, name, rows))
        place.done()
    for place, name, rows in more:
        if name not in found:
            others = ", ".join(found) or "there are none"
            expected = f"the name of another file's dashboard ({others}), or a title for a new one"
            raise place.error(name, expected)
        old = found[name]
        found[name] = Dashboard(
            old.name, old.title, old.description, (*old.rows, *rows), old.variables, old.marks
        )
    return tuple(found.values())


class _Place:
    """A mapping of the file; what was not asked for in the end is a mistake."""

    def __init__(self, path: str, data: object) -> None:
        self.path = path
        if not isinstance(data, Mapping):
            raise self.error(data, "a mapping")
        self._data = data
        self._asked: list[str] = []

    def error(self, got: object, expected: str) -> DashboardError:
        """Return what to raise."""
        return DashboardError(f"{self.path}: got {got!r}; expected {expected}. Correct the file.")

    def has(self, key: str) -> bool:
        """Return whether something is said of it."""
        return key in self._data

    def maybe(self, key: str, read: Callable[[_Value, object], T]) -> T | None:
        """Return what is said of a key, None where nothing is."""
        self._asked.append(key)
        if key not in self._data:
            return None
        return read(_Value(f"{self.path}: {key}"), self._data[key])

    def pick(self, key: str, read: Callable[[_Value, object], T]) -> T:
        """Return what is said of a key."""
        found = self.maybe(key, read)
        if found is None:
            raise DashboardError(f"{self.path}: got no {key}; expected one. Add it.")
        return found

    def each(self, key: str, read: Callable[[_Place], T]) -> Iterator[T]:
        """Yield what is read of each mapping in a list, nothing where there is none."""
        listed = self.maybe(key, lambda at, value: at.listed(value)) or []
        for number, item in enumerate(listed, 1):
            title = item.get("title") if isinstance(item, Mapping) else None
            place = _Place(f"{self.path}: {key} {title or number}", item)
            yield read(place)
            place.done()

    def done(self) -> None:
        """Refuse keys that nobody has asked for."""
        for key in self._data:
            if key not in self._asked:
                raise self.error(key, _nearest(str(key), self._asked))


class _Value:
    """Where a single value stands."""

    def __init__(self, path: str) -> None:
        self.path = path

    def error(self, got: object, expected: str) -> DashboardError:
        """Return what to raise."""
        return DashboardError(f"{self.path}: got {got!r}; expected {expected}. Correct the file.")

    def listed(self, value: object) -> list[Any]:
        """Return a list that is not empty."""
        if not isinstance(value, list) or not value:
            raise self.error(value, "a list")
        return value

    def member(self, value: T, allowed: Iterable[T]) -> T:
        """Return one of some values."""
        allowed = tuple(allowed)
        if value not in allowed:
            raise self.error(value, _nearest(str(value), [str(each) for each in allowed]))
        return value

    def match(self, value: object, pattern: re.Pattern[str], expected: str) -> str:
        """Return a text of a certain form."""
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self.error(value, f"{expected} ({pattern.pattern})")
        return value

    def choice(self, value: object, enum: type[E]) -> E:
        """Return a member of an enumeration."""
        return enum(str(self.member(value, [each.value for each in enum])))


_Attributes = Callable[[_Value, object], tuple[str, ...]]


def _text(at: _Value, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.strip().isprintable():
        raise at.error(value, "a line of text")
    return value.strip()


def _texts(at: _Value, value: object) -> tuple[str, ...]:
    return tuple(_text(at, each) for each in at.listed(value))


def _metric(at: _Value, value: object) -> MetricSpec:
    known = {spec.name: spec for spec in all_metrics()}
    at.member(value, known)
    return known[str(value)]


def _row(place: _Place) -> Row:
    return Row(place.pick("title", _text), tuple(place.each("panels", _panel)))


def _panel(place: _Place) -> Panel:
    return Panel(
        title=place.pick("title", _text),
        description=place.pick("description", _text),
        kind=place.pick("kind", lambda at, value: at.choice(value, Kind)),
        queries=tuple(place.each("queries", _query)),
        width=place.maybe("width", lambda at, value: at.choice(value, Width)) or Width.HALF,
        alerts=place.maybe("alerts", _texts) or (),
        opens=place.maybe("opens", lambda at, value: at.match(value, _NAME, "a short name")) or "",
    )


def _query(place: _Place) -> Query:
    metric = place.pick("metric", _metric)
    aggregate = place.pick("aggregate", lambda at, value: at.choice(value, Aggregate))
    if metric.kind not in _OF[aggregate]:
        kinds = " or a ".join(_OF[aggregate])
        raise place.error(f"{aggregate} of the {metric.kind} {metric.name}", f"a {kinds}")
    wheres = _wheres(metric)
    keys = _attributes(metric, _MORE.get(aggregate, ()))
    query = Query(
        metric,
        aggregate,
        by=place.maybe("by", keys) or (),
        where=place.maybe("where", wheres) or (),
        unless=place.maybe("unless", wheres) or (),
        part=place.maybe("part", wheres) or (),
        of=place.maybe("of", wheres) or (),
        q=place.maybe("q", _q),
        window_s=place.maybe("window", _seconds),
        over=place.maybe("over", _over(keys)),
        zero_beside=place.maybe("zero_beside", _metric),
        top=place.maybe("top", _top),
        title=place.maybe("title", _text) or "",
        legend=place.maybe("legend", _text) or "",
        unit=place.maybe("unit", _text) or "",
        alerts=place.maybe("alerts", _texts) or (),
    )
    if (aggregate is Aggregate.SHARE) != bool(query.part):
        raise place.error(query.part or "no part", f"a part with {Aggregate.SHARE}, and only there")
    if (aggregate is Aggregate.QUANTILE) != (query.q is not None):
        raise place.error(query.q or "no q", f"a q with {Aggregate.QUANTILE}, and only there")
    if query.zero_beside is not None and query.attributes:
        raise place.error(f"zero_beside by {', '.join(query.attributes)}", "one number: no by")
    for key in re.findall(r"{(.*?)}", query.legend):
        if key not in query.attributes:
            raise place.error(query.legend, f"only {', '.join(query.attributes) or 'words'} in it")
    return query


def _q(at: _Value, value: object) -> float:
    if not isinstance(value, float) or not 0 < value < 1:
        raise at.error(value, "a number between 0 and 1")
    return value


def _attributes(metric: MetricSpec, more: tuple[str, ...]) -> _Attributes:
    def read(at: _Value, value: object) -> tuple[str, ...]:
        return tuple(at.member(each, (*metric.attributes, *more)) for each in at.listed(value))

    return read


def _wheres(metric: MetricSpec) -> Callable[[_Value, object], tuple[Where, ...]]:
    def read(at: _Value, value: object) -> tuple[Where, ...]:
        if not isinstance(value, Mapping) or not value:
            raise at.error(value, "a mapping of attributes to values")
        found = []
        for key, values in value.items():
            at.member(key, metric.attributes)
            listed = tuple(values) if isinstance(values, list) else (values,)
            if not listed or not all(isinstance(each, str) for each in listed):
                raise at.error(values, "a text or a list of texts")
            found.append(Where(key, listed))
        return tuple(found)

    return read


def _over(keys: _Attributes) -> Callable[[_Value, object], Over]:
    def read(at: _Value, value: object) -> Over:
        place = _Place(at.path, value)
        over = Over(
            place.pick("function", lambda at, value: str(at.member(value, _FUNCTIONS))),
            place.maybe("by", keys) or (),
        )
        place.done()
        return over

    return read


def _seconds(at: _Value, value: object) -> int:
    text = at.match(value, _WINDOW, "a number and s, m, h or d")
    return int(text[:-1]) * _UNITS[text[-1]]


def _top(at: _Value, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise at.error(value, f"a whole number in [1, {_MOST}]")
    return value


def _variable(place: _Place) -> Variable:
    metric = place.pick("metric", _metric)

    def read(at: _Value, value: object) -> str:
        return str(at.member(value, metric.attributes))

    return Variable(
        place.pick("attribute", read),
        metric,
        bool(place.maybe("every", lambda at, value: at.member(value, (True, False)))),
    )


def _mark(place: _Place) -> Mark:
    def read(at: _Value, value: object) -> Query:
        inner = _Place(at.path, value)
        query = _query(inner)
        inner.done()
        return query

    return Mark(place.pick("title", _text), place.pick("query", read))


def _nearest(text: str, allowed: Iterable[str]) -> str:
    allowed = list(dict.fromkeys(allowed))
    close = difflib.get_close_matches(text, allowed, 1)
    listed = f"one of {', '.join(allowed)}"
    return f"{listed} (the nearest is {close[0]})" if close else listed
