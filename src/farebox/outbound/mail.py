"""Sends mail over SMTP: one message, one connection, encrypted whenever the server offers it.

The address is `smtp://[user:password@]host[:587]` (STARTTLS when offered, required with a password
and with `?starttls=required`) or `smtps://…[:465]` (TLS from the first byte). Certificates are
checked. What the server refuses for good (5xx of a sender, a recipient or a message) raises
RefusedError, and an ill-formed message InvalidError, because no further attempt helps; everything
else raises UnavailableError, also a password that is wrong, which its owner may mend. It keeps
nothing and repeats nothing: that is the outbox's work.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiosmtplib

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.outbound.reach import Reach, RefusedAddressError, RefusedError

_PORTS = {"smtp": 587, "smtps": 465}
_STARTTLS: dict[str, bool | None] = {"auto": None, "required": True, "never": False}


class Mailer:
    """Sends as `sender` through the server at `url`; ValueError for an address it cannot use.

    With `reach` the server must be somewhere where connections may go.
    """

    def __init__(
        self,
        url: str,
        sender: str,
        clock: Callable[[], int],
        *,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 20.0,
        reach: Reach | None = None,
    ) -> None:
        parts = check_url(url)
        user, password = parts.username, parts.password
        wanted = parse_qs(parts.query).get("starttls", ["auto"])[0]
        self._clock = clock
        self._sender = sender
        self._reach = reach
        self._port: int = parts.port or _PORTS[parts.scheme]
        self._options: dict[str, Any] = {
            "hostname": parts.hostname,
            "username": unquote(user) if user else None,
            "password": unquote(password) if password else None,
            "use_tls": parts.scheme == "smtps",
            # A password never travels in the clear because a server forgot to offer STARTTLS.
            "start_tls": True if password and wanted == "auto" else _STARTTLS[wanted],
            "tls_context": tls or ssl.create_default_context(),
            "timeout": timeout_s,
        }
        if parts.scheme == "smtps":
            self._options["start_tls"] = False

    async def send(
        self, to: str, subject: str, text: str, html: str | None = None, *, name: str | None = None
    ) -> None:
        """Hand one message to the server; returns when the server has taken it.

        `name` is what its Message-ID begins with, the same in every attempt.
        """
        message = self._message(to, subject, text, html, name)
        try:
            if self._reach is None:
                await aiosmtplib.send(message, port=self._port, **self._options)
                return
            async with asyncio.timeout(self._options["timeout"]):
                opened = await self._reach.connect(self._options["hostname"], self._port)
            await aiosmtplib.send(message, sock=opened, **self._options)
        except RefusedAddressError as error:
            raise RefusedError(str(error)) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise _refusal(f"refuses {to}", refusal.code, refusal.message) from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _refusal("refuses the message", error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise UnavailableError(f"The mail was not taken: {error}") from error
        except ValueError as error:
            raise InvalidError(f"No mail can be sent to {to}: {error}") from error

    async def deliver(self, payload: Mapping[str, Any], _attempt: int) -> None:
        """Run a job of the kind `mail`: to, subject, text, and html if wanted."""
        try:
            to, subject, text = payload["to"], payload["subject"], payload["text"]
        except KeyError as error:
            raise InvalidError(f"The mail has no {error.args[0]}") from None
        await self.send(to, subject, text, payload.get("html"))

    def _message(
        self, to: str, subject: str, text: str, html: str | None, name: str | None
    ) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"] = self._sender
            message["To"] = to
            message["Subject"] = subject
        except ValueError as error:
            raise InvalidError(f"The mail has an ill-formed header: {error}") from error
        message["Date"] = formatdate(self._clock() / 1000, usegmt=True)
        domain = self._sender.rpartition("@")[2].rstrip(">")
        message["Message-ID"] = f"<{name}@{domain}>" if name else make_msgid(domain=domain)
        # Answers of holiday robots would come back to an address that nobody reads.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        return message


def _refusal(what: str, code: int, said: str) -> RefusedError | UnavailableError:
    """What a server's word means: 5xx is for good."""
    if code >= 500:
        return RefusedError(f"The mail server {what}: {code} {said}", code)
    return UnavailableError(f"The mail server {what} for now: {code} {said}")


def check_url(url: str) -> SplitResult:
    """Take an SMTP address apart; ValueError says what is wrong with it, never its password."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("expected smtp://[user:password@]host[:port] or smtps://…")
    query = parse_qs(parts.query)
    if set(query) - {"starttls"} or query.get("starttls", ["auto"])[0] not in _STARTTLS:
        raise ValueError("expected nothing after the host but ?starttls=auto, required or never")
    _ = parts.port
    return parts
