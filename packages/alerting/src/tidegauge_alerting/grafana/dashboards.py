"""Panels to Grafana's dashboards: pure, and the same JSON for the same panels and alerts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from tidegauge_alerting.definitions import AlertDefinition, Comparison
from tidegauge_alerting.grafana import looks
from tidegauge_alerting.grafana.grid import Box, place, uid
from tidegauge_alerting.panel_promql import GRAFANA, expression, values_of
from tidegauge_alerting.panels import Dashboard, Kind, Mark, Panel, Query, Row, Variable

#: Every dashboard of ours has it: the links between them find one another by it.
TAG = "tidegauge"

_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_EVERY = ".*"
_MARK_STEP = "60s"
_Any = timeseries.Panel | stat.Panel | table.Panel


def render_dashboard(dashboard: Dashboard, alerts: Mapping[str, AlertDefinition]) -> str:
    """Return a dashboard as Grafana imports it; ``alerts`` by name draw the thresholds.

    An alert that is not among them has no line.
    """
    chosen = {each.attribute: _chosen(each) for each in dashboard.variables}
    built = (
        build.Dashboard(dashboard.title)
        .uid(uid(dashboard.name))
        .description(dashboard.description)
        .tags([TAG])
        .readonly()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .annotations([])
        .link(
            build.DashboardLink("Tidegauge")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(
            build.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for number, variable in enumerate(dashboard.variables):
        before = [each.attribute for each in dashboard.variables[:number]]
        built.with_variable(_variable(variable, {key: chosen[key] for key in before}))
    for mark in dashboard.marks:
        built.annotation(_Marks(mark, expression(mark.query, chosen, GRAFANA, now=False)))
    for number, (item, box) in enumerate(place(dashboard), 1):
        if isinstance(item, Row):
            heading = build.Row(item.title).id(number).grid_pos(_position(box))
            built.with_row(heading)
        else:
            panel = _panel(item, dashboard, chosen, alerts)
            built.with_panel(panel.id(number).grid_pos(_position(box)))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


class _Annotation(model.AnnotationQuery):
    """An annotation whose marks have a text of their own: the library has no word for it."""

    title_format = ""

    def to_json(self) -> dict[str, object]:
        """Return what Grafana reads."""
        return {**super().to_json(), "titleFormat": self.title_format, "step": _MARK_STEP}


class _Marks(Builder[model.AnnotationQuery]):
    def __init__(self, mark: Mark, expr: str) -> None:
        self._built = _Annotation(mark.title, _SOURCE, icon_color="purple", expr=expr)
        self._built.title_format = f"{mark.title}: {_legend(mark.query)}"

    def build(self) -> model.AnnotationQuery:
        """Return the annotation."""
        return self._built


def _position(box: Box) -> model.GridPos:
    return model.GridPos(h=box.h, w=box.w, x=box.x, y=box.y)


def _chosen(variable: Variable) -> str:
    # Grafana escapes what it puts in: for a regular expression where several may be chosen.
    return f'{variable.attribute}{"=~" if variable.every else "="}"${variable.attribute}"'


def _variable(variable: Variable, before: Mapping[str, str]) -> build.QueryVariable:
    found = (
        build.QueryVariable(variable.attribute)
        .label(variable.attribute.replace("_", " ").capitalize())
        .datasource(_SOURCE)
        .query(
            {
                "query": values_of(variable.metric, variable.attribute, before),
                "refId": variable.attribute,
            }
        )
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(variable.every)
        .include_all(variable.every)
    )
    if variable.every:
        everything = model.VariableOption(selected=True, text="All", value="$__all")
        # All in one word: a list of 500 names would be longer than a server takes.
        found.all_value(_EVERY).current(everything)
    return found


def _panel(
    panel: Panel,
    dashboard: Dashboard,
    chosen: Mapping[str, str],
    alerts: Mapping[str, AlertDefinition],
) -> _Any:
    shown = [alerts[name] for name in panel.alerts if name in alerts]
    built: _Any
    match panel.kind:
        case Kind.TIMESERIES:
            built = _timeseries(panel, shown)
        case Kind.STAT:
            built = _stat(panel, shown)
        case Kind.TABLE:
            built = _table(panel, alerts, _links(panel, dashboard, cell=True))
    built.title(panel.title).description(panel.description).datasource(_SOURCE)
    for number, query in enumerate(panel.queries):
        built.with_target(_target(panel, query, number, chosen))
    if panel.kind is not Kind.TABLE:
        built.data_links(list(_links(panel, dashboard, cell=False)))
    return built


def _target(
    panel: Panel, query: Query, number: int, chosen: Mapping[str, str]
) -> prometheus.Dataquery:
    now = panel.kind is Kind.TABLE
    target = (
        prometheus.Dataquery()
        .ref_id(_letter(number))
        .datasource(_SOURCE)
        .expr(expression(query, chosen, GRAFANA, now=now))
        .legend_format(_legend(query))
    )
    if now:
        return target.format(prometheus_model.PromQueryFormat.TABLE).instant()
    return target.range()


def _timeseries(panel: Panel, alerts: Sequence[AlertDefinition]) -> timeseries.Panel:
    unit = panel.queries[0].shown_unit
    lines = [alert for alert in alerts if alert.comparison is not Comparison.EQUAL]
    dashed = common_model.GraphTresholdsStyleMode.DASHED
    off = common_model.GraphTresholdsStyleMode.OFF
    return (
        timeseries.Panel()
        .unit(looks.unit(unit))
        .mappings(looks.mappings(unit))
        .axis_soft_min(0)
        .fill_opacity(5)
        .show_points(common_model.VisibilityMode.NEVER)
        .thresholds(looks.thresholds(alerts))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed if lines else off))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.TABLE)
            .placement(common_model.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
            .sort_by("Last *")
            .sort_desc(True)
        )
    )


def _stat(panel: Panel, alerts: Sequence[AlertDefinition]) -> stat.Panel:
    unit = panel.queries[0].shown_unit
    return (
        stat.Panel()
        .unit(looks.unit(unit))
        .mappings(looks.mappings(unit))
        .thresholds(looks.thresholds(alerts))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
    )


def _table(
    panel: Panel, alerts: Mapping[str, AlertDefinition], links: Sequence[build.DashboardLink]
) -> table.Panel:
    keys = panel.attributes
    values = [_value(panel, number) for number in range(len(panel.queries))]
    order = {name: position for position, name in enumerate([*keys, *values])}
    names = {value: query.title for value, query in zip(values, panel.queries, strict=True)}
    built = (
        table.Panel()
        .no_value("-")
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": order,
                    "renameByName": names,
                },
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(panel.queries[0].title).desc(True)])
    )
    if links:
        built_links = [link.build() for link in links]
        for key in keys:
            built.override_by_name(key, [model.DynamicConfigValue("links", built_links)])
    for query in panel.queries:
        built.override_by_name(query.title, _column(query, alerts))
    return built


def _value(panel: Panel, number: int) -> str:
    # Of several queries Grafana calls the columns by their letters.
    return "Value" if len(panel.queries) == 1 else f"Value #{_letter(number)}"


def _column(query: Query, alerts: Mapping[str, AlertDefinition]) -> list[model.DynamicConfigValue]:
    shown = [alerts[name] for name in query.alerts if name in alerts]
    found = [model.DynamicConfigValue("unit", looks.unit(query.shown_unit))]
    words = looks.mappings(query.shown_unit)
    if words:
        found.append(model.DynamicConfigValue("mappings", words))
    if shown:
        found += [
            model.DynamicConfigValue("thresholds", looks.thresholds(shown).build()),
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
    return found


def _links(panel: Panel, dashboard: Dashboard, *, cell: bool) -> Sequence[build.DashboardLink]:
    """Return the link from a series or a cell to the dashboard that it opens, if any."""
    if not panel.opens:
        return ()
    told = []
    for key in panel.attributes:
        value = f'__data.fields["{key}"]' if cell else f"__field.labels.{key}"
        told.append(f"var-{key}=${{{value}:percentencode}}")
    told += [
        f"${{{each.attribute}:queryparam}}"
        for each in dashboard.variables
        if each.attribute not in panel.attributes
    ]
    url = "&".join([f"/d/{uid(panel.opens)}?${{datasource:queryparam}}", *told])
    return (build.DashboardLink(f"Open in {panel.opens}").url(f"{url}&${{__url_time_range}}"),)


def _legend(query: Query) -> str:
    return re.sub(r"{(\w+)}", r"{{\1}}", query.shown_legend)


def _letter(number: int) -> str:
    return chr(ord("A") + number)
