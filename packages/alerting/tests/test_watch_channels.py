"""Channels that fail in every way: what arrives, what is said, and that nothing else stops."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from aiosmtpd.smtp import AuthResult, Envelope, Session
from tidegauge_alerting import Severity
from tidegauge_alerting.channels import Channel, Secret
from tidegauge_alerting.watch import outbox as outboxes
from tidegauge_alerting.watch import senders
from tidegauge_alerting.watch.notice import Item, Notice
from tidegauge_alerting.watch.outbox import Outbox
from tidegauge_alerting.watch.senders import sender
from tidegauge_alerting.watch.transport import DeliveryError, post_json, send_mail
from tidegauge_testkit.alert_receivers import AlertReceiver
from tidegauge_testkit.backends import free_port, wait_until
from tidegauge_testkit.backends.loopback_server import Reply
from tidegauge_testkit.backends.mail_server import MailServer

LIMIT_S = 60.0
KEY = "0123456789abcdef0123456789abcdef"
PASSWORD = "correct horse"  # noqa: S105 - of a server that lives for a test

Make = Callable[[Channel], Outbox]


def notice(name: str = "HighLatency", *, fires: bool = True) -> Notice:
    """Return a notice of one alert."""
    labels = {"alertname": name, "severity": "warning", "model_name": "fraud"}
    item = Item(labels, 1_700_000_000.0, None if fires else 1_700_000_060.0, "slow", "It is slow.")
    return Notice(name, {"model_name": "fraud"}, Severity.WARNING, 1_700_000_060.0, (item,))


@pytest.fixture
def make(caplog: pytest.LogCaptureFixture) -> Iterator[Make]:
    """Start outboxes that wait a moment between attempts, and end them."""
    caplog.set_level(logging.INFO, "tidegauge.watch")
    made: list[Outbox] = []

    def start(channel: Channel) -> Outbox:
        made.append(Outbox(channel.name, sender(channel), lambda: None, first_wait_s=0.01))
        made[-1].start()
        return made[-1]

    yield start
    outboxes.close_all(made, LIMIT_S)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the channels have said."""
    return [each.getMessage() for each in caplog.records if each.name == "tidegauge.watch"]


def hook(receiver: AlertReceiver, name: str = "hook") -> Channel:
    """Return a webhook at a receiver."""
    return Channel(name, "webhook", address=receiver.url)


def test_each_kind_of_channel_takes_a_notice(make: Make, tmp_path: Path) -> None:
    """Begin and end of an alert arrive in the documented form; secrets come from their files."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    with (
        AlertReceiver("webhook") as web,
        AlertReceiver("slack") as slack,
        AlertReceiver("pagerduty") as pager,
    ):
        (tmp_path / "url").write_text(f"{slack.url}/services/T0/B0/secret\n")
        url, key = Secret(file=str(tmp_path / "url")), Secret(file=str(tmp_path / "key"))
        channels = (
            (hook(web), web),
            (Channel("ml", "slack", url=url), slack),
            (Channel("oncall", "pagerduty", routing_key=key, address=pager.url), pager),
        )
        for channel, receiver in channels:
            outbox = make(channel)
            outbox.put(notice())
            receiver.wait_for(1)
            outbox.put(notice(fires=False))
            receiver.wait_for(2)
            assert [] == receiver.faults
            assert outbox.wait_empty(LIMIT_S)
            assert (2, 0, 0) == (outbox.sent, outbox.failures, outbox.lost)
        assert [KEY] * 2 == [body["routing_key"] for body in pager.taken()]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(
    status: int, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver in trouble gets the notice once it is well; one line, and one when it is well."""
    with AlertReceiver("webhook") as receiver:
        receiver.replies += [Reply(status)] * 4
        outbox = make(hook(receiver))
        outbox.put(notice())
        receiver.wait_for(1)
        assert outbox.wait_empty(LIMIT_S)
    assert (1, 4, 0) == (outbox.sent, outbox.failures, outbox.lost)
    assert [
        f"hook: got status {status}; expected it to take a notice. It is tried again; further "
        "failures are counted, not logged. Put the channel right.",
        "hook: takes notices again after 4 failures.",
    ] == lines(caplog)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_what_is_refused_is_given_up(
    status: int, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """No second attempt; the next notice is tried. A redirect would lose the body."""
    with AlertReceiver("webhook") as other, AlertReceiver("webhook") as receiver:
        receiver.replies += [Reply(status, {"Location": other.url})] * 2
        outbox = make(hook(receiver))
        for name in ("A", "B", "C"):
            outbox.put(notice(name))
        (body,) = receiver.wait_for(1)
        assert outbox.wait_empty(LIMIT_S)
        assert "C" == body["groupLabels"]["alertname"]
        assert [] == other.posted
    assert (1, 2, 2) == (outbox.sent, outbox.failures, outbox.lost)
    assert 1 == len([each for each in caplog.records if each.levelno == logging.ERROR])


def test_a_receiver_that_asks_to_wait_is_obeyed(make: Make) -> None:
    """Retry-After is the least time before the next attempt."""
    with AlertReceiver("slack") as receiver:
        receiver.replies.append(Reply(429, {"Retry-After": "1"}))
        outbox = make(Channel("ml", "slack", address=receiver.url))
        began_s = time.monotonic()
        outbox.put(notice())
        receiver.wait_for(1)
    assert time.monotonic() - began_s >= 1


def test_waiting_grows(make: Make) -> None:
    """Each wait is about twice the one before, up to a minute."""
    outbox = make(Channel("down", "webhook", address=f"http://127.0.0.1:{free_port()}"))
    waits = [outbox._attempt(notice()) for _ in range(20)]
    assert 0.005 <= waits[0] <= 0.01
    assert all(after <= 4 * before for before, after in pairwise(waits))
    assert 30 <= waits[-1] <= 60


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(200, body=b"x" * 100, slow_s=20)])
def test_a_channel_that_hangs_stops_no_other(
    reply: Reply, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Putting a notice never waits; the attempt is given up after its time, and tried again."""
    monkeypatch.setattr(senders, "post_json", lambda *a: post_json(*a, timeout_s=0.3))
    with AlertReceiver("webhook") as bad, AlertReceiver("webhook") as good:
        bad.replies.append(reply)
        hanging, well = make(hook(bad, "bad")), make(hook(good, "good"))
        began_s = time.monotonic()
        hanging.put(notice())
        assert time.monotonic() - began_s < 5
        wait_until(lambda: len(bad.posted) >= 1, "the attempt that hangs", LIMIT_S)
        well.put(notice())
        good.wait_for(1)
        wait_until(lambda: len(bad.posted) >= 2, "the second attempt", LIMIT_S)
        assert hanging.wait_empty(LIMIT_S)
    assert (1, 1) == (hanging.sent, well.sent)


def test_closing_does_not_wait_for_a_channel_that_hangs(make: Make) -> None:
    """What was not sent stays in the queue, to be kept."""
    with AlertReceiver("webhook") as bad:
        bad.replies.append(Reply(hangs=True))
        outbox = make(hook(bad))
        outbox.put(notice())
        wait_until(lambda: len(bad.posted) >= 1, "the attempt that hangs", LIMIT_S)
        outbox.close(0.05)
        assert [notice()] == outbox.waiting()


def test_nobody_there(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A channel that is down says so once, and what is newer takes the place of what is older."""
    port = free_port()
    outbox = make(Channel("hook", "webhook", address=f"http://127.0.0.1:{port}/"))
    outbox.put(notice())
    wait_until(lambda: outbox.failures >= 3, "attempts", LIMIT_S)
    outbox.put(notice(fires=False))
    assert [notice(fires=False)] == outbox.waiting()
    assert [
        "hook: got Connection refused; expected it to take a notice. It is tried again; further "
        "failures are counted, not logged. Put the channel right."
    ] == lines(caplog)


def test_a_queue_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """The oldest notices leave, counted and said once."""
    outbox = Outbox("hook", lambda _: None, lambda: None, most=10)
    for i in range(30):
        outbox.put(notice(f"A{i}"))
    assert [f"A{i}" for i in range(20, 30)] == [each.name for each in outbox.waiting()]
    assert 20 == outbox.lost
    assert 1 == len(lines(caplog))


def test_a_channel_can_do_without_ends() -> None:
    """What has ended before it could be sent is not sent at all."""
    outbox = Outbox("hook", lambda _: None, lambda: None, ends=False)
    outbox.put(notice())
    assert [notice()] == outbox.waiting()
    outbox.put(notice(fires=False))
    assert [] == outbox.waiting()


def test_a_fault_of_ours_costs_an_attempt(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised, the channel's thread goes on."""
    outbox = make(Channel("hook", "webhook", address="http://127.0.0.1:9/"))
    left = [ZeroDivisionError(), KeyError("x")]

    def send(_: Notice) -> None:
        if left:
            raise left.pop()

    monkeypatch.setattr(outbox, "_send", send)
    outbox.put(notice())
    assert outbox.wait_empty(LIMIT_S)
    assert (1, 2) == (outbox.sent, outbox.failures)


def test_a_missing_secret_may_come(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read at each attempt: whoever rotates it does not restart anything."""
    with AlertReceiver("slack") as receiver:
        outbox = make(Channel("ml", "slack", url=Secret(file=str(tmp_path / "url"))))
        outbox.put(notice())
        wait_until(lambda: outbox.failures >= 2, "attempts", LIMIT_S)
        (tmp_path / "url").write_text(receiver.url)
        receiver.wait_for(1)
        assert outbox.wait_empty(LIMIT_S)
    assert "got no value from file" in lines(caplog)[0]


def test_a_secret_is_never_logged(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an address that is one, nor a key, nor what a receiver says of it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ROUTING", KEY)
    with AlertReceiver("pagerduty") as pager:
        secret_url = f"http://127.0.0.1:{free_port()}/services/SECRETPATH"
        (tmp_path / "url").write_text(secret_url)
        pager.replies.append(Reply(400, body=KEY.encode()))
        made = [
            make(Channel("ml", "slack", url=Secret(file=str(tmp_path / "url")))),
            make(Channel("pd", "pagerduty", routing_key=Secret(env="ROUTING"), address=pager.url)),
        ]
        for outbox in made:
            outbox.put(notice())
            wait_until(lambda o=outbox: o.failures >= 1, "a failure", LIMIT_S)  # type: ignore[misc]
    assert 2 == len(lines(caplog))
    for word in ("SECRETPATH", KEY):
        assert word not in caplog.text


def test_an_address_of_another_scheme_is_refused(make: Make) -> None:
    """A file that is named as a channel is not read."""
    outbox = make(Channel("hook", "webhook", address="file:///etc/hostname"))
    outbox.put(notice())
    assert outbox.wait_empty(LIMIT_S)
    assert (0, 1) == (outbox.sent, outbox.lost)


# -- e-mail --------------------------------------------------------------------------------------


class Mailbox:
    """Keeps what comes; answers recipients as it is told."""

    def __init__(self) -> None:
        self.letters: list[tuple[Envelope, bool]] = []
        self.replies: list[str] = []

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient."""
        if self.replies:
            return self.replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        """Take a letter."""
        self.letters.append((envelope, session.ssl is not None))
        return "250 OK"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Take one user with one password."""
    right = (data.login, data.password) == (b"tidegauge", PASSWORD.encode())
    return AuthResult(success=right)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that nobody but these tests trusts."""
    return trustme.CA()


@pytest.fixture
def trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """Trust the authority, and return what a server of this host shows."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


class Post:
    """A mail server on a free port of this host."""

    def __init__(self, **options: Any) -> None:
        self.mailbox = Mailbox()
        # port 0 is not taken by the library: it connects to itself.
        self.port = free_port()
        self._controller = MailServer(
            self.mailbox, hostname="localhost", port=self.port, ready_timeout=LIMIT_S, **options
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def channel(self, **options: Any) -> Channel:
        """Return a channel to this server."""
        return Channel(
            "mail", "email", to=("ml@example.com", "me@example.com"),
            sender="tidegauge@example.com", smarthost=f"localhost:{self.port}", **options,
        )  # fmt: skip


def test_mail_goes_by_starttls_with_a_login(
    trusted: ssl.SSLContext, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is verified, the password goes encrypted, each recipient has the letter."""
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    options = {"require_starttls": True, "auth_required": True, "authenticator": authenticate}
    with Post(tls_context=trusted, **options) as post:
        channel = post.channel(username="tidegauge", password=Secret(env="MAIL_PASSWORD"))
        outbox = make(channel)
        outbox.put(notice())
        assert outbox.wait_empty(LIMIT_S)
    assert 1 == outbox.sent
    ((envelope, encrypted),) = post.mailbox.letters
    assert encrypted
    assert ["ml@example.com", "me@example.com"] == envelope.rcpt_tos
    assert isinstance(envelope.content, bytes)
    assert b"Subject: [WARNING] HighLatency: slow" in envelope.content


def test_mail_goes_by_tls_from_the_start(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Port 465 speaks TLS at once."""
    with Post(ssl_context=trusted) as post:
        monkeypatch.setattr("tidegauge_alerting.watch.transport._SMTPS_PORT", post.port)
        sender(post.channel())(notice())
    assert 1 == len(post.mailbox.letters)


@pytest.mark.parametrize(
    ("strange", "said"),
    [
        (True, "its certificate is not trusted (unable to get local issuer certificate)"),
        (False, "the server offers no STARTTLS"),
    ],
)
def test_mail_does_not_go_where_nobody_can_be_trusted(
    strange: bool, said: str, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither to a server whose certificate is a stranger's, nor without TLS."""
    context = None
    if strange:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert("localhost").configure_cert(context)
    with Post(tls_context=context) as post:
        outbox = make(post.channel())
        outbox.put(notice())
        wait_until(lambda: outbox.failures >= 1, "an attempt", LIMIT_S)
        assert [] == post.mailbox.letters
    wait_until(lambda: bool(lines(caplog)), "a line", LIMIT_S)
    assert f"mail: got {said}; expected it to take a notice." in lines(caplog)[0]


def test_mail_goes_in_the_clear_only_when_told_and_without_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A relay on this host needs no TLS; a password is never sent without."""
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    with Post() as post:
        sender(post.channel(require_tls=False))(notice())
        assert 1 == len(post.mailbox.letters)
        with pytest.raises(DeliveryError, match="offers no STARTTLS"):
            sender(
                post.channel(
                    require_tls=False, username="tidegauge", password=Secret(env="MAIL_PASSWORD")
                )
            )(notice())


def _letter() -> Any:
    from tidegauge_alerting.watch.payloads import email

    return email(notice(), Channel("mail", "email", to=("a@example.com",), sender="b@example.com"))


@pytest.mark.parametrize(
    ("replies", "counts"),
    [(["451 later"] * 2, (1, 1, 0)), (["550 no such user"] * 2, (0, 1, 1))],
)
def test_mail_is_tried_again_where_the_server_asks_for_it(
    replies: list[str], counts: tuple[int, int, int], make: Make
) -> None:
    """Greylisting passes; a recipient that does not exist is given up."""
    with Post() as post:
        post.mailbox.replies = list(replies)
        outbox = make(post.channel(require_tls=False))
        outbox.put(notice())
        assert outbox.wait_empty(LIMIT_S)
    assert counts == (outbox.sent, outbox.failures, outbox.lost)


def test_a_mail_server_that_hangs_is_given_up() -> None:
    """It accepts and says nothing."""
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(DeliveryError, match="no answer in time"),
    ):
        send_mail(_letter(), f"127.0.0.1:{mute.getsockname()[1]}", timeout_s=0.2)


def test_no_thread_is_left() -> None:
    """Each outbox has ended its own."""
    assert not [each for each in threading.enumerate() if each.name.startswith("channel ")]
