"""Mail over a real SMTP server on the loopback address."""

import asyncio
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.jobs import Worker
from farebox.outbound.mail import Mailer, check_url
from farebox.outbound.reach import Reach, RefusedError
from farebox.storage import outbox
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

SENDER = "Farebox <no-reply@vend.example>"


class Box:
    """What the server took, and what it answers instead while it is told to."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.users: list[bytes] = []
        self.refuse_recipient = ""
        self.refuse_data = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if not self.refuse_recipient:
            envelope.rcpt_tos.append(address)
        return self.refuse_recipient or "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a message, or not."""
        if self.refuse_data:
            return self.refuse_data
        message = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, *arguments: Any) -> AuthResult:
        """Know one user."""
        login = arguments[-1]
        self.users.append(login.login)
        return AuthResult(success=(login.login, login.password) == (b"us@er", b"s:cret"))


class Server:
    """A mail server with its box, its port and the certificate that it shows."""

    def __init__(self, box: Box, port: int, trust: ssl.SSLContext) -> None:
        self.box = box
        self.port = port
        self.trust = trust


@pytest.fixture(params=["plain", "starttls", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    """How the server speaks."""
    return str(request.param)


@pytest.fixture
def server(kind: str, certificate: Path) -> Iterator[Server]:
    """A mail server of the given kind; with STARTTLS it also wants a user."""
    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identity.load_cert_chain(certificate)
    box = Box()
    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0}
    if kind == "starttls":
        options |= {"tls_context": identity, "require_starttls": True, "auth_required": True}
        options |= {"authenticator": box.authenticate}
    if kind == "tls":
        options |= {"ssl_context": identity}
    controller = PortController(box, **options)
    controller.start()
    trust = ssl.create_default_context(cafile=str(certificate))
    yield Server(box, controller.bound_port, trust)
    controller.stop()


class PortController(Controller):  # type: ignore[misc]
    """A controller that lets the system choose its port."""

    bound_port = 0

    def _trigger_server(self) -> None:
        self.bound_port = self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def mailer(server: Server, kind: str, clock: SettableClock, **options: Any) -> Mailer:
    """A mailer that reaches the server in the way it wants."""
    form = {
        "plain": "smtp://localhost:{}",
        "starttls": "smtp://us%40er:s%3Acret@localhost:{}",
        "tls": "smtps://localhost:{}",
    }[kind]
    return Mailer(form.format(server.port), SENDER, clock, **{"tls": server.trust, **options})


async def test_a_mail_arrives(server: Server, kind: str, clock: SettableClock) -> None:
    """Plain, after STARTTLS with a password, and over TLS: the message arrives as it was meant."""
    await mailer(server, kind, clock).send("Jö <jo@example.com>", "Grüße", "Hallo ü\n", "<b>ü</b>")
    [message] = server.box.messages
    assert message["From"] == SENDER
    assert message["To"] == "Jö <jo@example.com>"
    assert message["Subject"] == "Grüße"
    assert message["Date"] == "Tue, 10 Mar 2026 09:00:00 +0000"
    assert message["Message-ID"].endswith("@vend.example>")
    parts = [part.get_content().strip() for part in message.iter_parts()]
    assert parts == ["Hallo ü", "<b>ü</b>"]
    assert server.box.encrypted == [kind != "plain"]
    assert server.box.users == ([b"us@er"] if kind == "starttls" else [])


@pytest.mark.parametrize("kind", ["starttls", "tls"], indirect=True)
async def test_a_strange_certificate_is_refused(
    server: Server, kind: str, clock: SettableClock
) -> None:
    """A server whose certificate nobody vouches for gets no mail."""
    with pytest.raises(UnavailableError):
        await mailer(server, kind, clock, tls=None).send("a@example.com", "s", "t")
    assert server.box.messages == []


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
@pytest.mark.parametrize(
    "form", ["smtp://u:p@localhost:{}", "smtp://localhost:{}?starttls=required"]
)
async def test_a_secret_never_travels_in_the_clear(
    server: Server, clock: SettableClock, form: str
) -> None:
    """With a password, or where it is required, a server without STARTTLS gets nothing."""
    url = form.format(server.port)
    with pytest.raises(UnavailableError):
        await Mailer(url, SENDER, clock, tls=server.trust).send("a@example.com", "s", "t")
    assert server.box.messages == []
    assert server.box.users == []


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("recipient", "data", "expected"),
    [
        ("550 no such user", "", InvalidError),
        ("450 mailbox busy", "", UnavailableError),
        ("", "451 try later", UnavailableError),
        ("", "554 looks like spam", InvalidError),
    ],
)
async def test_refusals(
    server: Server,
    kind: str,
    clock: SettableClock,
    recipient: str,
    data: str,
    expected: type[Exception],
) -> None:
    """What is refused for good is hopeless; everything else may succeed later."""
    server.box.refuse_recipient, server.box.refuse_data = recipient, data
    with pytest.raises(expected):
        await mailer(server, kind, clock).send("a@example.com", "s", "t")


async def test_a_server_where_none_may_be(server: Server, kind: str, clock: SettableClock) -> None:
    """A private address is refused before anything is said, unless it is listed by name."""
    made = mailer(server, kind, clock, reach=Reach())
    with pytest.raises(RefusedError):
        await made.send("a@example.com", "s", "t")
    listed = Reach((), [f"localhost:{server.port}"])
    made = mailer(server, kind, clock, reach=listed)
    await made.send("a@example.com", "s", "t", name="farebox-17")
    [message] = server.box.messages
    assert "<farebox-17@vend.example>" == message["Message-ID"]


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
@pytest.mark.parametrize("to", ["a@example.", "@", "a@b@c", "<>", ","])
async def test_what_is_no_address_is_hopeless(
    server: Server, kind: str, clock: SettableClock, to: str
) -> None:
    """No further attempt makes an address of it, whoever notices."""
    with pytest.raises(InvalidError):
        await mailer(server, kind, clock).send(to, "s", "t")
    assert server.box.messages == []


@pytest.mark.parametrize(
    ("to", "subject"),
    [("a@example.com\r\nBcc: all@example.com", "s"), ("a@example.com", "s\r\nBcc: x@example.com")],
)
async def test_headers_cannot_be_smuggled_in(clock: SettableClock, to: str, subject: str) -> None:
    """A line break in a header is refused before anything is sent."""
    with pytest.raises(InvalidError):
        await Mailer("smtp://localhost:1", SENDER, clock).send(to, subject, "t")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://localhost",
        "smtp://",
        "smtp://h:port",
        "smtp://h?starttls=perhaps",
        "smtp://h?tls=1",
    ],
)
def test_bad_addresses(url: str) -> None:
    """An address that is not SMTP is refused with a ValueError."""
    with pytest.raises(ValueError, match=r"expected|[Pp]ort"):
        check_url(url)


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
async def test_a_mail_survives_a_failing_server(
    server: Server, kind: str, pool: Pool, clock: SettableClock
) -> None:
    """Through the outbox: a server that fails is asked again, a refused recipient is not."""
    handlers = {"mail": mailer(server, kind, clock).deliver}
    worker = Worker(pool, clock, handlers, monotonic=lambda: 0.0)
    mail = {"to": "a@example.com", "subject": "Set a new password", "text": "Use this"}
    await outbox.put(pool, "mail", mail, clock())
    server.box.refuse_data = "451 try later"
    assert await worker.drain() == 1
    assert (server.box.messages, await states(pool)) == ([], ["pending"])
    server.box.refuse_data = ""
    clock.advance_ms(1_200)
    assert await worker.drain() == 1
    assert [message["Subject"] for message in server.box.messages] == ["Set a new password"]
    await outbox.put(pool, "mail", {"to": "a@example.com"}, clock())
    server.box.refuse_recipient = "550 no such user"
    await outbox.put(pool, "mail", mail, clock())
    assert await worker.drain() == 2
    assert await states(pool) == ["done", "dead", "dead"]


async def test_a_server_that_says_nothing(clock: SettableClock) -> None:
    """A server that accepts and then hangs costs the time-out and is tried again later."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"smtp://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    with pytest.raises(UnavailableError):
        await Mailer(url, SENDER, clock, timeout_s=0.1).send("a@example.com", "s", "t")
    silent.close()
    await asyncio.sleep(0.05)


async def states(pool: Pool) -> list[str]:
    """The states of all jobs, in order."""
    rows = await pool.fetch("select state from farebox.outbox order by id")
    return [row["state"] for row in rows]
