"""Where alerts are sent: names, addresses that may be read by anybody, references to secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["email", "slack", "pagerduty", "webhook"]


class SecretError(Exception):
    """A secret is not where it should be; the message says where, and never what it holds."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: a file, or a variable of the environment. It is read when it is needed."""

    file: str = ""
    env: str = ""

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.env):
            raise ValueError(
                f"secret: got file {self.file!r} and env {self.env!r}; expected one of them. "
                "Name the file or the variable that holds it."
            )

    def read(self) -> str:
        """Return the secret, without the white space around it.

        Raises
        ------
        SecretError
            The file or variable is not there, cannot be read, or is empty.
        """
        if self.env:
            # Named by the user's own file: no setting of ours.
            found, origin = os.environ.get(self.env, ""), f"variable {self.env}"  # noqa: TID251
        else:
            origin = f"file {self.file}"
            try:
                found = Path(self.file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "no text"
                raise SecretError(
                    f"secret: got no value from {origin} ({reason}); expected it to hold one. "
                    "Write the secret there, or correct the path."
                ) from None
        if not found.strip():
            raise SecretError(
                f"secret: got no value from {origin}; expected it to hold one. "
                "Write the secret there, or correct the name."
            )
        return found.strip()


@dataclass(frozen=True, slots=True)
class Channel:
    """One place to send alerts to.

    ``slack`` and ``webhook`` have ``url`` (a secret: whoever has it can write), ``pagerduty`` has
    ``routing_key``, ``email`` has ``to``, ``sender`` and ``smarthost`` (``host:port``), and, where
    the server wants them, ``username`` and ``password``. ``address`` is where a webhook without
    secret or another PagerDuty is.
    """

    name: str
    kind: Kind
    url: Secret | None = None
    address: str = ""
    channel: str = ""
    routing_key: Secret | None = None
    to: tuple[str, ...] = ()
    sender: str = ""
    smarthost: str = ""
    username: str = ""
    password: Secret | None = None
    require_tls: bool = True
    send_resolved: bool = True
