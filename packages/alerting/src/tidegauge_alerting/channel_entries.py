"""The channels and routes of a user's file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tidegauge_alerting.channels import Channel, Secret
from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.sections import AlertFileError, Section, nearest

KINDS = ("email", "slack", "pagerduty", "webhook")

_SMARTHOST = re.compile(r"[A-Za-z0-9.\-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
# Without braces: Alertmanager reads templates in addresses.
_ADDRESS = re.compile(r"[^@\s<>,;\"{}]+@[^@\s<>,;\"{}]+")


def channels(sections: Mapping[str, Section]) -> tuple[Channel, ...]:
    """Return the channels of a file.

    Raises
    ------
    AlertFileError
        One of them is wrong; each mistake has its line.
    """
    found: list[Channel] = []
    problems: list[str] = []
    for name, section in sections.items():
        try:
            found.append(_channel(name, section))
        except AlertFileError as error:
            problems += error.problems
    if problems:
        raise AlertFileError(*problems)
    return tuple(found)


def routes(head: Section, known: Sequence[Channel]) -> dict[Severity, tuple[str, ...]]:
    """Return the names of the channels of each severity.

    Raises
    ------
    AlertFileError
        A severity or a channel does not exist.
    """
    section = head.section_or_none("routes")
    if section is None:
        return {}
    found = {}
    for severity in Severity:
        names = section.texts(severity.value, ())
        _check(f"{section.where}, {severity.value}", names, known)
        if names:
            found[severity] = names
    section.done()
    return found


def check_names(
    alerts: Sequence[AlertDefinition], known: Sequence[Channel], where: Mapping[str, str]
) -> None:
    """Refuse an alert's channels that the file does not have."""
    for alert in alerts:
        _check(f"{where[alert.name]}, channels", alert.channels, known)


def _check(where: str, names: Sequence[str], known: Sequence[Channel]) -> None:
    there = [channel.name for channel in known]
    for name in names:
        if name not in there:
            raise AlertFileError(
                f"{where}: got the channel {name!r}; expected one of {', '.join(there) or 'none'}. "
                + (nearest(name, there) if there else "Add it under channels.")
            )


def _channel(name: str, section: Section) -> Channel:
    if not re.fullmatch(r"[A-Za-z0-9_.\-]{1,64}", name):
        raise AlertFileError(
            f"{section.where}: got {name!r}; expected at most 64 letters, digits, '_', '-', '.'. "
            "Rename the channel."
        )
    kind = section.choice("type", KINDS)
    resolved = section.flag("send_resolved", default=True)
    match kind:
        case "email":
            found = _email(name, section, resolved=resolved)
        case "slack":
            found = Channel(
                name,
                "slack",
                url=_secret(section, "url"),
                channel=section.text("channel", ""),
                send_resolved=resolved,
            )
        case "pagerduty":
            found = Channel(
                name,
                "pagerduty",
                routing_key=_secret(section, "routing_key"),
                address=_address(section, "address"),
                send_resolved=resolved,
            )
        case _:
            found = Channel(
                name,
                "webhook",
                url=_secret(section, "url", needed=not section.text("address", "")),
                address=_address(section, "address"),
                send_resolved=resolved,
            )
    section.done()
    return found


def _email(name: str, section: Section, *, resolved: bool) -> Channel:
    to, sender = section.texts("to"), section.text("from")
    for key, addresses in (("to", to), ("from", (sender,))):
        for each in addresses or ("",):
            if not _ADDRESS.fullmatch(each):
                raise section.wrong(key, each, "a mail address", "For example: ml@example.com.")
    smarthost = section.text("smarthost")
    if not _SMARTHOST.fullmatch(smarthost):
        raise section.wrong(
            "smarthost", smarthost, "host:port", "For example: smtp.example.com:587."
        )
    username = section.text("username", "")
    password = _secret(section, "password", needed=bool(username))
    return Channel(
        name,
        "email",
        to=to,
        sender=sender,
        smarthost=smarthost,
        username=username,
        password=password,
        require_tls=section.flag("require_tls", default=True),
        send_resolved=resolved,
    )


def _secret(section: Section, key: str, *, needed: bool = True) -> Secret | None:
    """Return the reference to a secret: ``<key>_file`` or ``<key>_env``, never the secret."""
    if section.has(key):
        raise AlertFileError(
            f"{section.where}, {key}: got a secret; expected {key}_file or {key}_env. Put it into "
            "a file or a variable and name that: the file of alerts is read by many."
        )
    file, env = section.text(f"{key}_file", ""), section.text(f"{key}_env", "")
    if file and not file.startswith("/"):
        raise section.wrong(
            f"{key}_file", file, "a path that begins with /",
            "Others read it from another folder: Alertmanager, a service.",
        )  # fmt: skip
    if env and not (env.isascii() and env.isidentifier()):
        raise section.wrong(f"{key}_env", env, "the name of a variable", "Without the $.")
    if not file and not env and not needed:
        return None
    if bool(file) == bool(env):
        raise AlertFileError(
            f"{section.where}: got {'both' if file else 'no'} {key}_file and {key}_env; expected "
            "one of them. Name the file or the variable that holds the secret."
        )
    return Secret(file=file, env=env)


def _address(section: Section, key: str) -> str:
    url = section.text(key, "")
    if url:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
            raise section.wrong(key, url, "an http or https address", "Correct it.")
        if parts.username or parts.password:
            raise section.wrong(
                key, f"{parts.scheme}://...@{parts.hostname}", "no password in it",
                "Use url_file or url_env.",
            )  # fmt: skip
    return url
