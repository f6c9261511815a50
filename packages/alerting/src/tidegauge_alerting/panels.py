"""Dashboards as data, before any vendor's language: panels that say what of which metric they show.

They are written in YAML; ``dashboard_files`` reads them. Another package adds panels for its own
metrics without a change here: by an entry point of the group ``tidegauge_dashboards`` that names a
YAML file in the package, ``resources = "tidegauge_resources:dashboards.yaml"``::

    version: 1
    dashboard: resources          # rows are added to this one; a new name is a new dashboard
    title: Resources              # of a new dashboard only, as are description and variables
    rows:
      - title: Processor and memory
        panels:
          - title: Processor use by model
            description: One sentence: what it shows, and what to do about it.
            kind: timeseries        # or stat (one number), or table (queries are its columns)
            width: half             # full, half, third, quarter, sixth
            alerts: [HighLatency]   # a line at the threshold of each; one that is off has none
            opens: model            # a click on a row opens this dashboard for that model
            queries:
              - metric: model.cpu.usage      # a name in tidegauge_semconv
                aggregate: sum               # see ``Aggregate``
                by: [model_name]             # one line (one row of a table) for each
                top: 10                      # only so many of them: the highest of the time shown
                legend: "{model_name}"       # default: the values of ``by``
              - metric: model.requests
                aggregate: share
                part: {status: error}        # of the events those that have these attributes
                of: {status: [error, success]}    # default: of all
                where: {operation: [predict, predict_proba]}
                unless: {model_version: ""}  # leaves these out; "" is an empty attribute
                window: 5m                   # default: what suits the time shown
                title: errors                # the column's name in a table
              - metric: drift.detected
                aggregate: max
                by: [model_name]
                over: {function: sum}        # put together once more: in how many models
                zero_beside: model.requests  # 0 where only that metric is there: a fault's counter
                unit: "{model}"              # default: the metric's, "share", or what is counted

A query says nothing of the dashboard's variables: what has the attribute is filtered, unless
``where`` speaks of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegauge_semconv import MetricSpec

from tidegauge_alerting.measures import Where

#: A unit of our own, beside UCUM's: a share in [0, 1], shown in percent; 0 or 1, shown as words.
SHARE_UNIT = "share"
FLAG_UNIT = "flag"


class Aggregate(StrEnum):
    """What is made of a metric's series, one value for each combination of ``by``.

    The last three need what not every vendor has; a renderer leaves them out, and says so.
    """

    RATE = "rate"  # events a second, of a counter or a histogram
    INCREASE = "increase"  # events in the window, of a counter; from 0 where a series is new
    SHARE = "share"  # the share of a counter's events that have the attributes of ``part``
    QUANTILE = "quantile"  # of a histogram's events in the window; ``q`` is in (0, 1)
    SUM = "sum"  # of the last values of a gauge's series; so are the next three
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    STABILITY = "stability"  # the index over all replicas that the fleet's rules record
    REACHABLE = "reachable"  # 1 where a place that has shown the metric can be read, else 0
    APPEARS = "appears"  # 1 for a while where a series is new: a deploy


class Kind(StrEnum):
    """How a panel shows its queries."""

    TIMESERIES = "timeseries"
    STAT = "stat"
    TABLE = "table"


class Width(StrEnum):
    """How much of a row's width a panel takes."""

    FULL = "full"
    HALF = "half"
    THIRD = "third"
    QUARTER = "quarter"
    SIXTH = "sixth"

    @property
    def share(self) -> float:
        """The share of the row."""
        return {"full": 1, "half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "sixth": 1 / 6}[self]


@dataclass(frozen=True, slots=True)
class Over:
    """Values put together once more, such as the sum over models of each one's highest value."""

    function: str  # sum, avg, min, max, or count: how many are above 0
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks for; see the module for the meaning of each part.

    ``over`` comes last: ``by`` is then what the values are counted or added up over. ``alerts``
    colour a table's column.
    """

    metric: MetricSpec
    aggregate: Aggregate
    by: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()
    unless: tuple[Where, ...] = ()
    part: tuple[Where, ...] = ()
    of: tuple[Where, ...] = ()
    q: float | None = None
    window_s: int | None = None
    over: Over | None = None
    zero_beside: MetricSpec | None = None
    top: int | None = None
    title: str = ""
    legend: str = ""
    unit: str = ""
    alerts: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that tell the answer's series apart."""
        return self.by if self.over is None else self.over.by

    @property
    def shown_unit(self) -> str:
        """The unit of the answer: the metric's own where nothing else is said, by the aggregate."""
        if self.unit:
            return self.unit
        match self.aggregate:
            case _ if self.over is not None and self.over.function == "count":
                unit = ""
            case Aggregate.RATE:
                unit = f"{'{event}' if self.metric.buckets else self.metric.unit}/s"
            case Aggregate.SHARE:
                unit = SHARE_UNIT
            case Aggregate.REACHABLE | Aggregate.APPEARS:
                unit = FLAG_UNIT
            case Aggregate.STABILITY:
                unit = ""
            case _:
                unit = self.metric.unit
        return unit

    @property
    def shown_legend(self) -> str:
        """What a series is called, with ``{attribute}`` for the values that tell them apart."""
        return self.legend or " ".join(f"{{{key}}}" for key in self.attributes) or self.title


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture, number or table."""

    title: str
    description: str
    kind: Kind
    queries: tuple[Query, ...]
    width: Width = Width.HALF
    alerts: tuple[str, ...] = ()
    opens: str = ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """What tells the rows of a table apart: the attributes of all its queries, in order."""
        return tuple(dict.fromkeys(key for query in self.queries for key in query.attributes))

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """The metrics that it shows, each once."""
        return tuple(dict.fromkeys(query.metric for query in self.queries))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """An attribute that the reader chooses a value of, among those that a metric has.

    What was chosen for the variables before it narrows the choice. ``every`` lets the reader choose
    several values or all, and begins with all.
    """

    attribute: str
    metric: MetricSpec
    every: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Moments to be shown on every picture of a dashboard, such as deploys."""

    title: str
    query: Query


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page; ``name`` is its identity, and what other dashboards link to."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All its panels, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)
