"""The placeholders of an alert's texts as Prometheus templates."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import attributes as a

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


def translate(text: str, definition: AlertDefinition) -> str:
    """Return an alert's text with Prometheus's templates for its placeholders.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries.
    """
    parts = []
    for literal, field, form, _ in Formatter().parse(text):
        parts.append(literal)
        if field is not None:
            parts.append(_placeholder(field, form or "", definition))
    return "".join(parts)


def _placeholder(field: str, form: str, definition: AlertDefinition) -> str:
    labels = definition.labels
    if field == "model" and a.MODEL_NAME in labels and a.MODEL_VERSION in labels:
        return _MODEL
    if field == "target" and not labels:
        return _TARGET
    if field == "see" and definition.see:
        return " and ".join(prometheus_name(spec) for spec in definition.see)
    if field == "value" and form in _VALUE:
        return _VALUE[form]
    if field == "threshold" and form in _VALUE:
        return _shown(definition.threshold, form)
    if field in labels and not form:
        return f"{{{{ $labels.{label_name(field)} }}}}"
    shown = f"{{{field}:{form}}}" if form else f"{{{field}}}"
    raise ValueError(
        f"text of {definition.name}: got {shown!r}; expected one of "
        f"{', '.join((*labels, 'model', 'target', 'see', 'value:FORM', 'threshold:FORM'))}, "
        f"FORM one of {', '.join(_VALUE)}. Use what the alert carries."
    )


def _shown(value: float, form: str) -> str:
    if form == "percent":
        return f"{value * 100:g} %"
    if form == "duration":
        return f"{value:g} s"
    return f"{value:g}"
