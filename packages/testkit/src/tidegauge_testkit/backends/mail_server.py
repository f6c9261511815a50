"""aiosmtpd on a thread of its own, that leaves no connection open when it stops."""

from __future__ import annotations

from asyncio import WriteTransport
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class MailServer(Controller):
    """A mail server of this host.

    aiosmtpd stops without closing what a client has left half way, as it does when it trusts no
    certificate; the socket would be reported in some later test.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sessions: list[SMTP] = []

    def factory(self) -> SMTP:
        """Return what serves one connection."""
        session: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self._sessions.append(session)
        return session

    def cancel_tasks(self, stop_loop: bool = True) -> None:
        """Close all connections, and end; on the server's own thread."""
        for session in self._sessions:
            # The second is the one below TLS.
            for transport in (session.transport, session._original_transport):  # noqa: SLF001
                if isinstance(transport, WriteTransport):
                    transport.abort()
        super().cancel_tasks(stop_loop)
