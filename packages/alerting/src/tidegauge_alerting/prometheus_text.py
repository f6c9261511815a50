"""The texts of an alert as Prometheus templates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegauge_semconv import attributes as a

from tidegauge_alerting import go_templates

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
    return go_templates.translate(text, definition, _DIALECT)


def escape(text: str) -> str:
    """Return a text that a template shows as it is: its braces open no action."""
    return _BRACES.sub(lambda found: f'{{{{ "{found[0]}" }}}}', text)


_DIALECT = go_templates.Dialect(_MODEL, _TARGET, "$labels.", _VALUE, escape)
