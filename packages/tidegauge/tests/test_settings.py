"""Settings: where they come from, and what a wrong one says."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tidegauge import runtime
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge.settings import (
    SettingError,
    load,
    load_what_is_right,
    rows,
    setting,
    unknown,
)
from tidegauge.settings import expected as words


def _pair(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(":"))
    if len(parts) != 2:
        raise ValueError(text)
    return parts


@dataclass(frozen=True, slots=True)
class Example:
    """One row of each kind."""

    flag: bool = setting("TIDEGAUGE_X_FLAG", True, "A switch.")
    number: int = setting("TIDEGAUGE_X_NUMBER", 10, "A count.", minimum=1, maximum=3600)
    share: float = setting("TIDEGAUGE_X_SHARE", 0.5, "A share.", minimum=0.0)
    free: float = setting("TIDEGAUGE_X_FREE", 1.0, "Any number.")
    text: str = setting("TIDEGAUGE_X_TEXT", "", "A text.")
    mode: str = setting("TIDEGAUGE_X_MODE", "fast", "A choice.", choices=("fast", "exact"))
    pair: tuple[str, ...] = setting(
        "TIDEGAUGE_X_PAIR", (), "Two.", parse=_pair, expected="two words joined by a colon"
    )
    key: str = setting("TIDEGAUGE_X_KEY", "", "A secret.", secret=True)
    room: int = setting("TIDEGAUGE_X_ROOM", 2**20, "Bytes.", minimum=65_536, maximum=2**40)
    pin: int = setting("TIDEGAUGE_X_PIN", 0, "A secret number.", secret=True, maximum=9999)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"TIDEGAUGE_X_NUMBER": "0"},
            "TIDEGAUGE_X_NUMBER: got '0' from the environment; expected an integer in [1, 3600]. "
            "Unset it to use 10.",
        ),
        (
            {"TIDEGAUGE_X_NUMBER": "3601"},
            "TIDEGAUGE_X_NUMBER: got '3601' from the environment; expected an integer in "
            "[1, 3600]. Unset it to use 10.",
        ),
        (
            {"TIDEGAUGE_X_NUMBER": "1.5"},
            "TIDEGAUGE_X_NUMBER: got '1.5' from the environment; expected an integer in "
            "[1, 3600]. Unset it to use 10.",
        ),
        (
            {"TIDEGAUGE_X_SHARE": "-0.1"},
            "TIDEGAUGE_X_SHARE: got '-0.1' from the environment; expected a number in [0, inf]. "
            "Unset it to use 0.5.",
        ),
        (
            {"TIDEGAUGE_X_SHARE": "nan"},
            "TIDEGAUGE_X_SHARE: got 'nan' from the environment; expected a number in [0, inf]. "
            "Unset it to use 0.5.",
        ),
        (
            {"TIDEGAUGE_X_FREE": "NaN"},
            "TIDEGAUGE_X_FREE: got 'nan' from the environment; expected a number. "
            "Unset it to use 1.0.",
        ),
        (
            {"TIDEGAUGE_X_FREE": "ten"},
            "TIDEGAUGE_X_FREE: got 'ten' from the environment; expected a number. "
            "Unset it to use 1.0.",
        ),
        (
            {"TIDEGAUGE_X_FLAG": "maybe"},
            "TIDEGAUGE_X_FLAG: got 'maybe' from the environment; expected true or false. "
            "Unset it to use true.",
        ),
        (
            {"TIDEGAUGE_X_MODE": "slow"},
            "TIDEGAUGE_X_MODE: got 'slow' from the environment; expected one of fast, exact. "
            "Unset it to use fast.",
        ),
        (
            {"TIDEGAUGE_X_PAIR": "a:b:c"},
            "TIDEGAUGE_X_PAIR: got 'a:b:c' from the environment; expected two words joined by a "
            "colon. Unset it to use the default.",
        ),
        (
            {"TIDEGAUGE_X_NUMBER": "x" * 100_000},
            f"TIDEGAUGE_X_NUMBER: got '{'x' * 199}... from the environment; expected an integer "
            "in [1, 3600]. Unset it to use 10.",
        ),
        (
            {"TIDEGAUGE_X_PIN": "hunter2"},
            "TIDEGAUGE_X_PIN: got a secret value from the environment; expected an integer in "
            "[-inf, 9999]. Unset it to use 0.",
        ),
    ],
)
def test_a_wrong_variable_says_what_is_allowed(environ: dict[str, str], expected: str) -> None:
    """The message has the name, the value, its origin, what is allowed and what to do."""
    with pytest.raises(SettingError) as caught:
        load(Example, environ)
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"number": 0},
            "TIDEGAUGE_X_NUMBER: got '0' from the argument; expected an integer in [1, 3600]. "
            "Unset it to use 10.",
        ),
        (
            {"number": "12"},
            "TIDEGAUGE_X_NUMBER: got '12' from the argument; expected an integer in [1, 3600]. "
            "Unset it to use 10.",
        ),
        (
            {"number": True},
            "TIDEGAUGE_X_NUMBER: got 'True' from the argument; expected an integer in [1, 3600]. "
            "Unset it to use 10.",
        ),
        (
            {"flag": 1},
            "TIDEGAUGE_X_FLAG: got '1' from the argument; expected true or false. "
            "Unset it to use true.",
        ),
        (
            {"free": float("nan")},
            "TIDEGAUGE_X_FREE: got 'nan' from the argument; expected a number. "
            "Unset it to use 1.0.",
        ),
    ],
)
def test_a_wrong_argument_is_named_as_one(arguments: dict[str, Any], expected: str) -> None:
    """An argument passes the same checks, its type included."""
    with pytest.raises(SettingError) as caught:
        load(Example, {}, **arguments)
    assert expected == str(caught.value)


def test_argument_before_environment_before_default() -> None:
    """The nearest wins."""
    environ = {"TIDEGAUGE_X_NUMBER": "20"}
    found = [
        load(Example, {}).number,
        load(Example, environ).number,
        load(Example, environ, number=30).number,
        load(Example, environ, number=None).number,
    ]
    assert [10, 20, 30, 20] == found


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_is_unset(empty: str) -> None:
    """As shells and compose files write «not set»."""
    assert Example() == load(Example, {row.env: empty for row in rows(Example).values()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in ("true", "1", "YES", "On")),
        *((text, False) for text in ("false", "0", "no", "OFF")),
    ],
)
def test_booleans(text: str, expected: bool) -> None:
    """What people write for yes and no is understood, in any case."""
    assert expected is load(Example, {"TIDEGAUGE_X_FLAG": text}).flag


def test_values_are_parsed_and_trimmed() -> None:
    """Each row's text becomes a value of its type; infinity is a number where nothing bounds it."""
    environ = {
        "TIDEGAUGE_X_NUMBER": " 7 ",
        "TIDEGAUGE_X_FREE": "inf",
        "TIDEGAUGE_X_PAIR": "a:b",
        "TIDEGAUGE_X_MODE": "exact",
        "TIDEGAUGE_X_TEXT": " words ",
    }
    expected = Example(number=7, free=float("inf"), pair=("a", "b"), mode="exact", text="words")
    assert expected == load(Example, environ)


@pytest.mark.parametrize(
    "url", ["https://bob:{}@host/path", "https://{}@host:1", "s3://bob:x/{}@bucket"]
)
def test_a_password_in_a_url_is_never_shown(url: str) -> None:
    """Where none is expected too: neither in the message nor in what has led to it."""
    secret = "2retnuh"[::-1]  # a traceback shows the lines of this file
    with pytest.raises(SettingError) as caught:
        load(Example, {"TIDEGAUGE_X_PAIR": url.format(secret)})
    assert "://(hidden)@" in str(caught.value)
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_a_secret_is_never_shown() -> None:
    """Neither a repr nor an exception with its causes holds it."""
    secret = "2retnuh"[::-1]  # a traceback shows the lines of this file
    loaded = load(Example, {"TIDEGAUGE_X_KEY": secret})
    assert (secret, False) == (loaded.key, secret in repr(loaded))
    with pytest.raises(SettingError) as caught:
        load(Example, {"TIDEGAUGE_X_PIN": secret})
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_unknown_names_are_named_with_their_nearest() -> None:
    """A typing error is found; what is not ours, or ours alone, is not looked at."""
    environ = {
        "TIDEGAUGE_MODEL_NAM": "x",
        "TIDEGAUGE_ZZZZ": "x",
        "TIDEGAUGE_GROUP_OWNER": "1.2:3.4",
        "OTEL_X": "x",
        "PATH": "x",
    }
    known = [row.env for row in rows(CoreSettings).values()]
    assert [
        "TIDEGAUGE_MODEL_NAM: no setting has this name, it has no effect. "
        "Did you mean TIDEGAUGE_MODEL_NAME?",
        "TIDEGAUGE_ZZZZ: no setting has this name, it has no effect.",
    ] == unknown(known, environ)


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    """A wrong value costs its own setting alone."""
    environ = {"TIDEGAUGE_X_NUMBER": "no", "TIDEGAUGE_X_TEXT": "yes", "TIDEGAUGE_X_SHARE": "-1"}
    found, errors = load_what_is_right(Example, environ)
    assert (10, "yes", 0.5) == (found.number, found.text, found.share)
    assert ["TIDEGAUGE_X_NUMBER", "TIDEGAUGE_X_SHARE"] == [str(e).split(":")[0] for e in errors]


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a core that has not read its settings yet."""
    monkeypatch.setattr(shared, "settings", runtime._UNREAD)


def test_the_core_reads_its_settings_once(unread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says later is of no effect: a process has one configuration."""
    monkeypatch.setenv("TIDEGAUGE_BUFFER_BYTES", "70000")
    runtime.read_settings()
    monkeypatch.setenv("TIDEGAUGE_BUFFER_BYTES", "80000")
    runtime.read_settings()
    assert 70000 == shared.settings.buffer_bytes


def test_what_configure_has_set_stands(unread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment does not overrule arguments, even where these equal the defaults."""
    monkeypatch.setenv("TIDEGAUGE_BUFFER_BYTES", "70000")
    shared.settings = load(CoreSettings, {})
    runtime.read_settings()
    assert CoreSettings() == shared.settings


def test_a_wrong_setting_of_the_core_is_one_error_line(
    unread: None, monkeypatch: pytest.MonkeyPatch, warnings_of: Callable[[], list[str]]
) -> None:
    """The other settings are in force, and nothing is raised into the app."""
    monkeypatch.setenv("TIDEGAUGE_CPU_BUDGET_PERCENT", "200")
    monkeypatch.setenv("TIDEGAUGE_MODEL_NAME", "fraud")
    runtime.read_settings()
    runtime.read_settings()
    assert (2.0, "fraud") == (shared.settings.cpu_budget_percent, shared.settings.model_name)
    assert [
        "TIDEGAUGE_CPU_BUDGET_PERCENT: got '200.0' from the environment; expected a number in "
        "[0.01, 100]. Unset it to use 2.0. Its default is in force."
    ] == warnings_of()


def test_the_first_prediction_reads_the_settings(
    python: Callable[..., Any],
) -> None:
    """An app that nobody configured gets its model name from the environment."""
    code = (
        "import tidegauge; from tidegauge.runtime import shared\n"
        "with tidegauge.Model('m').prediction([1.0]) as p: p.output = 1\n"
        "print(shared.settings.model_name)"
    )
    done = python(code, TIDEGAUGE_MODEL_NAME="fraud")
    assert ("fraud", "") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flag", "true or false"),
        ("number", "an integer in [1, 3600]"),
        ("room", "an integer in [65536, 1099511627776]"),
        ("share", "a number in [0, inf]"),
        ("free", "a number"),
        ("text", "text"),
        ("mode", "one of fast, exact"),
        ("pair", "two words joined by a colon"),
    ],
)
def test_what_is_allowed_is_said_in_words(name: str, expected: str) -> None:
    """Messages and the reference page say the same."""
    assert expected == words(rows(Example)[name], getattr(Example(), name))
