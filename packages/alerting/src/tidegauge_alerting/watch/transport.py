"""The network: one attempt at a time, each with a limit, no redirect, certificates verified."""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
import time
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from tidegauge.answers import Outcome, outcome, told_wait_s
from tidegauge.http_exchange import Exchange

TIMEOUT_S = 10.0
_SMTPS_PORT = 465
_SMTP_PERMANENT = 500
_HEADERS = {"Content-Type": "application/json"}


class DeliveryError(Exception):
    """Something was not taken. The message has no secret and nothing that the other side said.

    ``again`` tells whether another attempt makes sense, ``after_s`` how long the other side asks
    to wait before it.
    """

    def __init__(self, cause: str, *, again: bool = True, after_s: float = 0.0) -> None:
        super().__init__(cause)
        self.again = again
        self.after_s = after_s


def post_json(url: str, body: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
    """Post JSON once.

    Raises
    ------
    DeliveryError
        It was not taken with a status of success.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DeliveryError("its address is not http or https", again=False)
    try:
        answer = Exchange(timeout_s).send("POST", url, json.dumps(body).encode(), _HEADERS)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryError(reason(error)) from None
    match outcome(answer.status):
        case Outcome.DELIVERED:
            return
        case Outcome.LATER:
            after_s = told_wait_s(answer.headers, time.time()) or 0.0
            raise DeliveryError(f"status {answer.status}", after_s=after_s)
        case _:
            raise DeliveryError(f"status {answer.status}", again=False)


def reason(error: BaseException) -> str:
    """Return why a connection failed, without the address or any part of a payload."""
    # urllib and smtplib raise their own errors for those of the socket.
    hidden = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else None
    inner = hidden or getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return getattr(cause, "strerror", None) or type(cause).__name__


def send_mail(
    message: EmailMessage, smarthost: str, *, username: str = "", password: str = "",
    require_tls: bool = True, timeout_s: float = TIMEOUT_S,
) -> None:  # fmt: skip
    """Hand a message to a mail server once: TLS from the start on port 465, else STARTTLS.

    Raises
    ------
    DeliveryError
        The server did not take it, offers no TLS where it is required, or its certificate is not
        trusted. A password is never sent without TLS.
    """
    host, _, port = smarthost.rpartition(":")
    host = host.strip("[]")  # around an IPv6 address
    secure = int(port) == _SMTPS_PORT
    context = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(host, int(port), timeout=timeout_s, context=context)
            if secure
            else smtplib.SMTP(host, int(port), timeout=timeout_s)
        ) as server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                secure = True
            if not secure and (require_tls or password):
                raise DeliveryError("the server offers no STARTTLS")
            if username:
                server.login(username, password)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        raise _mail_refusal(max(code for code, _ in error.recipients.values())) from None
    except smtplib.SMTPAuthenticationError as error:
        # A password may be on its way to be changed.
        raise DeliveryError(f"the login was refused with {error.smtp_code}") from None
    except smtplib.SMTPResponseException as error:
        raise _mail_refusal(error.smtp_code) from None
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError("the server offers no login") from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(reason(error)) from None


def _mail_refusal(code: int) -> DeliveryError:
    return DeliveryError(f"status {code}", again=code < _SMTP_PERMANENT)
