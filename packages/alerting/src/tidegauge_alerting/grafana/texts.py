"""The texts of an alert as Grafana's templates.

They hold no ``$``: some versions of Grafana put variables of the environment into annotations of
provisioned rules, and ``$labels`` would be one that nobody has set.
"""

from __future__ import annotations

import re

from tidegauge_semconv import attributes as a

from tidegauge_alerting import go_templates
from tidegauge_alerting.definitions import AlertDefinition

# A version may be unknown, and "version" without one reads as a mistake.
_MODEL = (
    f"{{{{ .Labels.{a.MODEL_NAME} }}}}{{{{ if .Labels.{a.MODEL_VERSION} }}}} version "
    f"{{{{ .Labels.{a.MODEL_VERSION} }}}}{{{{ end }}}}"
)
_TARGET = "{{ .Labels.job }} at {{ .Labels.instance }}"
# The value of the query, not that of the comparison with the threshold.
_VALUE = {
    "number": '{{ printf "%.3g" .Values.A.Value }}',
    "percent": "{{ humanizePercentage .Values.A.Value }}",
    "duration": "{{ humanizeDuration .Values.A.Value }}",
}
# What would open an action of a template, alone or with one of ours behind it, or name a variable.
_SPECIAL = re.compile(r"\{{2,}|\{(?=\$|\Z)|\$")


def translate(text: str, definition: AlertDefinition) -> str:
    """Return an alert's text with Grafana's templates for its placeholders.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries.
    """
    return go_templates.translate(text, definition, _DIALECT)


def escape(text: str) -> str:
    """Return a text that a template shows as it is."""
    return _SPECIAL.sub(_said, text)


def _said(found: re.Match[str]) -> str:
    # A dollar by its number: there must be none in the file.
    return '{{ "\\x24" }}' if found[0] == "$" else f'{{{{ "{found[0]}" }}}}'


_DIALECT = go_templates.Dialect(_MODEL, _TARGET, ".Labels.", _VALUE, escape)
