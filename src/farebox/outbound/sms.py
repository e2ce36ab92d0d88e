"""Hands a text to an account's SMS gateway: one HTTP request, described by the account.

Address, headers and body may hold `{number}`, `{text}`, `{messageId}` and `{sender}`, escaped as
the content type wants. The address is checked where the connection is made, as for webhooks;
redirects are not followed, 64 KiB of the answer are read, five seconds waited. A refusal raises
RefusedError with the gateway's status, everything that may pass by itself UnavailableError.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.domain.notices import fill
from farebox.outbound.reach import RefusedError
from farebox.outbound.webhook import Webhook

TIMEOUT_S: Final = 5.0


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway is called, and what its answer holds when it took the text."""

    url: str
    headers: dict[str, str] = {}
    body: str = ""
    number_format: str = "national"
    success_pattern: str = ""


class Sms:
    """Sends through gateways."""

    def __init__(self, networks: Sequence[str] = (), targets: Sequence[str] = ()) -> None:
        """Listed networks, and targets (`host:port`), may be private and without TLS."""
        self._webhook = Webhook(networks, targets=targets, timeout_s=TIMEOUT_S)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._webhook.close()

    async def send(self, gateway: Gateway, values: Mapping[str, str]) -> None:
        """One text; returns when the gateway has taken it."""
        kind = next((v for k, v in gateway.headers.items() if k.lower() == "content-type"), "")
        inner = _in_json if "json" in kind or not kind else quote
        url = _put(gateway.url, values, quote)
        body = _put(gateway.body, values, inner)
        headers = {name: _header(value, values) for name, value in gateway.headers.items()}
        reply = await self._webhook.post(url, body.encode(), headers)
        if reply.status >= 500:
            raise UnavailableError(f"The gateway answers {reply.status}")
        if reply.status >= 400 or not _holds(reply.text, gateway.success_pattern):
            raise RefusedError(f"{reply.status}: {reply.text[:400]}", reply.status)


def _put(text: str, values: Mapping[str, str], spelled: Any) -> str:
    return fill(text, {name: spelled(value) for name, value in values.items()})


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _header(text: str, values: Mapping[str, str]) -> str:
    header = _put(text, values, str)
    if "\r" in header or "\n" in header:
        raise InvalidError("A header must not hold line ends", "gateway_rejected")
    return header


def _holds(text: str, pattern: str) -> bool:
    """Whether the parts between the asterisks of a pattern occur in their order."""
    at = 0
    for part in pattern.split("*"):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
