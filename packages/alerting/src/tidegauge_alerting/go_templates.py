"""The texts of an alert as templates of Go's, which Prometheus and Grafana both have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name

from tidegauge_alerting.texts import Placeholder, constant, parts

if TYPE_CHECKING:
    from tidegauge_alerting.definitions import AlertDefinition


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of them writes what an alert carries.

    ``label`` stands before a label's name, ``value`` has a template for each form of a number, and
    ``escape`` returns a text that a template shows as it is.
    """

    model: str
    target: str
    label: str
    value: Mapping[str, str]
    escape: Callable[[str], str]


def translate(text: str, definition: AlertDefinition, dialect: Dialect) -> str:
    """Return an alert's text with templates for its placeholders.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries.
    """
    return "".join(
        dialect.escape(part) if isinstance(part, str) else _template(part, definition, dialect)
        for part in parts(text, definition)
    )


def _template(placeholder: Placeholder, definition: AlertDefinition, dialect: Dialect) -> str:
    fixed = constant(placeholder, definition)
    if fixed is not None:
        return fixed
    match placeholder:
        case Placeholder("model"):
            return dialect.model
        case Placeholder("target"):
            return dialect.target
        case Placeholder("see"):
            return " and ".join(prometheus_name(spec) for spec in definition.see)
        case Placeholder("value", form):
            return dialect.value[form]
        case _:
            return f"{{{{ {dialect.label}{label_name(placeholder.name)} }}}}"
