"""Settings: one frozen dataclass a package, one row a setting, read once.

Order: argument, environment, default. An empty variable counts as unset.

A dataclass may have ``doubts(models)``, which yields what is allowed but hardly meant where models
of these names are served; ``tidegauge doctor`` shows it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

S = TypeVar("S")

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_PREFIX = "TIDEGAUGE_"
# What processes of a launch tell each other is no setting.
_INTERNAL = frozenset({"TIDEGAUGE_GROUP_OWNER"})
# Of a URL: user and password. To the last "@", for a password that nobody has quoted may hold "/".
_USER = re.compile(r"(?<=://)\S+(?=@)")
HIDDEN = "(hidden)"
_ARGUMENT = "the argument"
_ENVIRONMENT = "the environment"
# Characters of a wrong value in a message.
_MAX_SHOWN = 200


class SettingError(ValueError):
    """A setting has a value that is not allowed; the message says what is."""

    @property
    def subject(self) -> str:
        """The variable, with which the message begins."""
        return str(self).partition(":")[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: where it is read from, what is allowed, what it does."""

    env: str
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], object] | None = None
    expected: str = ""
    secret: bool = False


def setting(
    env: str,
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[str], object] | None = None,
    expected: str = "",
    secret: bool = False,
) -> Any:
    """Declare a row of a settings dataclass.

    ``parse`` turns the variable's text into a value and raises ``ValueError`` where it cannot;
    ``expected`` then says what it takes. Without it the type of ``default`` decides.
    """
    row = Row(env, doc, minimum, maximum, choices, parse, expected, secret)
    return dataclasses.field(default=default, metadata={"row": row}, repr=not secret)


def rows(settings: type) -> dict[str, Row]:
    """Return the rows of a settings dataclass by field name."""
    fields = dataclasses.fields(settings)
    return {field.name: field.metadata["row"] for field in fields if "row" in field.metadata}


def load(settings: type[S], environ: Mapping[str, str] | None = None, **arguments: object) -> S:
    """Read a settings dataclass: argument, then environment, then default.

    Raises
    ------
    SettingError
        A value is malformed or out of bounds. The message names the variable, the value (unless
        secret), its origin and what is allowed.
    """
    loaded, errors = _read(settings, os.environ if environ is None else environ, arguments)
    if errors:
        raise errors[0]
    return loaded


def load_what_is_right(
    settings: type[S], environ: Mapping[str, str] | None = None
) -> tuple[S, list[SettingError]]:
    """Read a settings dataclass; a wrong value keeps its default and is returned as an error."""
    return _read(settings, os.environ if environ is None else environ, {})


def _read(
    settings: type[S], environ: Mapping[str, str], arguments: Mapping[str, object]
) -> tuple[S, list[SettingError]]:
    values: dict[str, object] = {}
    errors: list[SettingError] = []
    defaults = {f.name: f.default for f in dataclasses.fields(cast("Any", settings))}
    for name, row in rows(settings).items():
        default, text = defaults[name], environ.get(row.env, "").strip()
        try:
            if arguments.get(name) is not None:
                values[name] = _check(row, default, arguments[name], _ARGUMENT)
            elif text:
                values[name] = _check(row, default, _parse(row, default, text), _ENVIRONMENT)
        except SettingError as error:
            errors.append(error)
    return settings(**values), errors


def unknown(known: Iterable[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """Return one warning for each ``TIDEGAUGE_*`` variable that no package declares."""
    environ = os.environ if environ is None else environ
    names = {name.removeprefix(_PREFIX): name for name in sorted(known)}
    found = []
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in names.values() and name not in _INTERNAL:
            # Without what all of them begin with, which makes any two look alike.
            near = difflib.get_close_matches(name.removeprefix(_PREFIX), names, n=1)
            hint = f" Did you mean {names[near[0]]}?" if near else ""
            found.append(f"{name}: no setting has this name, it has no effect.{hint}")
    return found


def environment() -> Mapping[str, str]:
    """Return the process environment, for the few who need more than rows."""
    return os.environ


def hand_down(name: str, value: str) -> None:
    """Set a variable of ours for the processes that this one will start."""
    os.environ[name] = value


def _parse(row: Row, default: object, text: str) -> object:
    try:
        if row.parse is not None:
            return row.parse(text)
        if isinstance(default, bool):
            return _boolean(text)
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except ValueError as error:
        # What cannot be parsed stands in the cause's text too.
        cause = error if without_user(text) == text and not row.secret else None
        raise SettingError(_message(row, default, text, _ENVIRONMENT)) from cause
    return text


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _check(row: Row, default: object, value: object, origin: str) -> object:
    if row.choices and value not in row.choices:
        raise SettingError(_message(row, default, value, origin))
    if isinstance(default, int | float) and row.parse is None:
        # An argument comes as it is: text in place of a number would fail later, far from here.
        kind = bool if isinstance(default, bool) else int | float
        if isinstance(default, int) and not isinstance(default, bool):
            kind = int
        if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
            raise SettingError(_message(row, default, value, origin))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isnan(value):
            raise SettingError(_message(row, default, value, origin))
        low = row.minimum is not None and not value >= row.minimum
        high = row.maximum is not None and not value <= row.maximum
        if low or high:
            raise SettingError(_message(row, default, value, origin))
    return value


def _message(row: Row, default: object, value: object, origin: str) -> str:
    shown = "a secret value" if row.secret else repr(without_user(str(value)))
    if len(shown) > _MAX_SHOWN:  # a whole file, pasted into the wrong variable
        shown = f"{shown[:_MAX_SHOWN]}..."
    return (
        f"{row.env}: got {shown} from {origin}; expected {expected(row, default)}. "
        f"Unset it to use {as_text(default) or 'the default'}."
    )


def as_text(default: object) -> str:
    """Write a default as one would set it in the environment."""
    if isinstance(default, tuple):
        return ",".join(str(getattr(part, "label", part)) for part in default)
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)


def without_user(text: str) -> str:
    """Return a text, which may be a URL, without the user and the password in it."""
    return _USER.sub(HIDDEN, text)


def expected(row: Row, default: object) -> str:
    """Say in words what a setting takes."""
    if row.expected:
        return row.expected
    if row.choices:
        return "one of " + ", ".join(row.choices)
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int | float):
        kind = "an integer" if isinstance(default, int) else "a number"
        if row.minimum is None and row.maximum is None:
            return kind
        # All digits: the limits of bytes are powers of two.
        low = "-inf" if row.minimum is None else f"{row.minimum:.15g}"
        high = "inf" if row.maximum is None else f"{row.maximum:.15g}"
        return f"{kind} in [{low}, {high}]"
    return "text"
