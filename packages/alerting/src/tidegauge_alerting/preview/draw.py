"""Asks for everything that the page shows: which models, which panels, which alerts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.panels import Dashboard, Kind
from tidegauge_alerting.preview.answers import Answer, Span, ask, choose, marks, worst_first
from tidegauge_alerting.preview.page import Fire, Section, render
from tidegauge_alerting.prometheus_api import PrometheusApi, ServerError

# What tells alerts of one name apart, beside the model that their summary names.
_TOLD = (a.FAMILY, a.FEATURE, a.WINDOW)


def about_one_model(dashboard: Dashboard) -> bool:
    """Return whether a dashboard's reader chooses one model."""
    return any(each.attribute == a.MODEL_NAME and not each.every for each in dashboard.variables)


def models(
    server: PrometheusApi,
    dashboards: Sequence[Dashboard],
    alerts: Mapping[str, AlertDefinition],
    span: Span,
) -> list[str]:
    """Return the models that the server has seen, those that need somebody first.

    They are the rows of the first table with a model in each.
    """
    for dashboard in dashboards:
        for panel in dashboard.panels:
            if panel.kind is Kind.TABLE and a.MODEL_NAME in panel.attributes:
                rows = worst_first(ask(server, panel, {}, span).rows, panel, alerts)
                return list(dict.fromkeys(row.labels[a.MODEL_NAME] for row in rows))
    return []


def sections(dashboards: Sequence[Dashboard], chosen: Sequence[str]) -> list[Section]:
    """Return the parts of the page, still without answers: what all models have in common first."""
    single = [each for each in dashboards if about_one_model(each)]
    others = [each for each in dashboards if not about_one_model(each)]
    first, rest = others[:1], others[1:]
    return [
        *(Section(each, "", {}, ()) for each in first),
        *(Section(each, model, {}, ()) for model in chosen for each in single),
        *(Section(each, "", {}, ()) for each in rest),
    ]


def fill(section: Section, server: PrometheusApi, span: Span) -> Section:
    """Return a part of the page with its answers.

    Raises
    ------
    ServerError
        The server does not answer.
    """
    dashboard = section.dashboard
    chosen = choose(dashboard, section.model)
    answers: dict[str, Answer] = {}
    for number, row in enumerate(dashboard.rows):
        for place, panel in enumerate(row.panels):
            answers[f"{number}.{place}"] = ask(server, panel, chosen, span)
    return Section(dashboard, section.model, answers, marks(server, dashboard, chosen, span))


def fires(server: PrometheusApi, alerts: Mapping[str, AlertDefinition]) -> list[Fire] | None:
    """Return the alerts of ours that are active, None where the server has no rules of ours."""
    try:
        rules = [rule for rule in server.alert_rules() if rule.get("name") in alerts]
    except ServerError:
        return None  # a database alone, whose rules are evaluated elsewhere
    if not rules:
        return None
    return [
        Fire(
            str(rule["name"]),
            str(alert["labels"].get("severity", "")),
            str(alert["state"]),
            str(alert.get("annotations", {}).get("summary", "")),
            ", ".join(f"{key} {alert['labels'][key]}" for key in _TOLD if alert["labels"].get(key)),
            f"since {str(alert.get('activeAt', ''))[:16].replace('T', ' ')}",
        )
        for rule in rules
        for alert in rule.get("alerts", ())
    ]


def page(
    server: PrometheusApi,
    parts: Iterable[Section],
    alerts: Mapping[str, AlertDefinition],
    span: Span,
) -> tuple[str, list[Section]]:
    """Return the page, and the parts that it shows, with their answers."""
    filled = [fill(part, server, span) for part in parts]
    return render(filled, fires(server, alerts), alerts, span, server.url), filled


def now(length_s: int) -> Span:
    """Return the time until now."""
    return Span(float(int(time.time())), length_s)
