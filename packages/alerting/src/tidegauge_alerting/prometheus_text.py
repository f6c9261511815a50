"""The texts of an alert as Prometheus templates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import attributes as a

from tidegauge_alerting.texts import Placeholder, constant, parts

if TYPE_CHECKING:
    from tidegauge_alerting.definitions import AlertDefinition

# A version may be unknown, and "version" without one reads as a mistake.
_MODEL = (
    f"{{{{ $labels.{a.MODEL_NAME} }}}}"
    f"{{{{ with $labels.{a.MODEL_VERSION} }}}} version {{{{ . }}}}{{{{ end }}}}"
)
_TARGET = "{{ $labels.job }} at {{ $labels.instance }}"

_VALUE = {
    "number": '{{ $value | printf "%.3g" }}',
    "percent": "{{ $value | humanizePercentage }}",
    "duration": "{{ $value | humanizeDuration }}",
}

# One at the end would be one too many for the template that follows.
_BRACES = re.compile(r"\{{2,}|\{$")


def translate(text: str, definition: AlertDefinition) -> str:
    """Return an alert's text with Prometheus's templates for its placeholders.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries.
    """
    return "".join(
        escape(part) if isinstance(part, str) else _template(part, definition)
        for part in parts(text, definition)
    )


def escape(text: str) -> str:
    """Return a text that a template shows as it is: its braces open no action."""
    return _BRACES.sub(lambda found: f'{{{{ "{found[0]}" }}}}', text)


def _template(placeholder: Placeholder, definition: AlertDefinition) -> str:
    fixed = constant(placeholder, definition)
    if fixed is not None:
        return fixed
    match placeholder:
        case Placeholder("model"):
            return _MODEL
        case Placeholder("target"):
            return _TARGET
        case Placeholder("see"):
            return " and ".join(prometheus_name(spec) for spec in definition.see)
        case Placeholder("value", form):
            return _VALUE[form]
        case _:
            return f"{{{{ $labels.{label_name(placeholder.name)} }}}}"
