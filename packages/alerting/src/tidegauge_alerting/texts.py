"""The texts of an alert, cut into literal words and placeholders: each vendor writes its own."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

from tidegauge_semconv import attributes as a

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_alerting.definitions import AlertDefinition

#: How a number may be shown.
FORMS = ("number", "percent", "duration")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``{name}`` or ``{name:form}`` of a text."""

    name: str
    form: str = ""


def parts(text: str, definition: AlertDefinition) -> Iterator[str | Placeholder]:
    """Yield the literal words of a text, and its placeholders.

    A literal is the user's own text: whoever puts it into a template escapes it.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries, or a brace has no partner.
    """
    try:
        found = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(
            f"text of {definition.name}: got {text!r}; expected each brace to have its partner. "
            "Write {{ or }} for a brace."
        ) from error
    words = ""
    for literal, name, form, conversion in found:
        words += literal  # "{{{{" comes in two pieces, and is one word
        if name is not None:
            if words:
                yield words
            words = ""
            tail = f"!{conversion}" * bool(conversion) + f":{form}" * bool(form)
            if conversion or not _carried(name, form or "", definition):
                raise ValueError(_message(f"{{{name}{tail}}}", definition))
            yield Placeholder(name, form or "")
    if words:
        yield words


def constant(placeholder: Placeholder, definition: AlertDefinition) -> str | None:
    """Return what a placeholder is where the definition alone says so, or none."""
    match placeholder.name:
        case "threshold":
            return shown(definition.threshold, placeholder.form)
        case "low" if definition.low is not None:
            return shown(definition.low, placeholder.form)
        case _:
            return None


def shown(value: float, form: str) -> str:
    """Return a number as people read it."""
    if form == "percent":
        return f"{value * 100:g} %"
    if form == "duration":
        for name, size in (("days", 86_400), ("hours", 3600)):
            if value >= 2 * size and value % size == 0:
                return f"{value / size:g} {name}"
        return f"{value:g} s"
    return f"{value:g}"


def _carried(name: str, form: str, definition: AlertDefinition) -> bool:
    labels = definition.labels
    match name:
        case "model":
            return a.MODEL_NAME in labels and a.MODEL_VERSION in labels and not form
        case "target":
            return definition.names_targets and not form
        case "see":
            return bool(definition.see) and not form
        case "value" | "threshold":
            return form in FORMS
        case "low":
            return definition.low is not None and form in FORMS
        case _:
            return name in labels and not form


def _message(shown: str, definition: AlertDefinition) -> str:
    known = (*definition.labels, "model", "target", "see", "value:FORM", "threshold:FORM")
    return (
        f"text of {definition.name}: got {shown!r}; expected one of {', '.join(known)}, "
        f"FORM one of {', '.join(FORMS)}. Use what the alert carries."
    )
