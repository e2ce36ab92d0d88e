"""Through what an account sends, and in which words, kept by operators (isp.md 4.8, 4.9).

An account sends through its own gateway and mail server, else through those of the nearest account
above. Addresses, headers and bodies may hold secrets: they are written and never shown. A test
sends at once, is in no log, and tells what the far side said.
"""

from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import Answer, Call, data, success
from farebox.api.isp.kinds import EMAIL, NAME, NOTE, PHONE, Kind, choice, text
from farebox.api.isp.operating import maybe, operation
from farebox.domain import notices
from farebox.domain.errors import NotFoundError
from farebox.engine.zones import encoded
from farebox.outbound.mail import check_url as check_smtp
from farebox.outbound.sms import Gateway
from farebox.outbound.webhook import check_url

_KNOWN: Final = {"sms": notices.SMS, "email": notices.EMAIL}


def _read_headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 20:
        raise ValueError("must be an object of at most 20 texts")
    return {str(name): text(1000).read(one) for name, one in value.items()}


def _read_url(value: object) -> str:
    written: str = text(1000).read(value)
    check_url(written)
    return written


def _read_smtp(value: object) -> str:
    written: str = text(1000).read(value)
    check_smtp(written)
    return written


async def set_gateway(call: Call) -> Answer:
    """The SMS gateway of an account and those below it."""
    gateway = Gateway(
        url=call["url"], headers=call["headers"], body=call["body"],
        success_pattern=call["successPattern"],
    )  # fmt: skip
    await call.services.provider.zones.keep_sender(
        call.account, "sms", {"sender": call["sender"]}, encoded(gateway)
    )
    return success()


async def set_smtp(call: Call) -> Answer:
    """The mail server of an account and those below it."""
    await call.services.provider.zones.keep_sender(
        call.account, "email", {"from": call["from"]}, call["url"].encode()
    )
    return success()


def _shown(channel: str) -> Any:
    async def show(call: Call) -> Answer:
        account, settings = await call.services.provider.zones.sender(call.account.id, channel)
        return data({"accountId": account, **settings})

    return show


def _tested(channel: str, member: str) -> Any:
    async def test(call: Call) -> Answer:
        code, reason = await call.services.provider.notices.test(
            call.account.id, channel, call[member]
        )
        return data({"status_code": code, "error_message": reason})

    return test


def _require(call: Call) -> None:
    if call["name"] not in _KNOWN[call["channel"]]:
        raise NotFoundError(f"Template {call['name']} not found", "template_not_found")


async def set_text(call: Call) -> Answer:
    """What an account says instead of the built-in text."""
    _require(call)
    await call.services.provider.zones.keep_text(
        call.account.id, call["channel"], call["name"], call["subject"], call["body"]
    )
    return success()


async def get_text(call: Call) -> Answer:
    """What an account says."""
    _require(call)
    subject, body = await call.services.provider.notices.text(
        call.account.id, call["channel"], call["name"]
    )
    return data({"subject": subject, "body": body})


_ACCOUNT: Final = "accounts/{accountId}"
_TEXT: Final = f"{_ACCOUNT}/templates/{{channel}}/{{name}}"
_WHICH: Final = (Argument("channel", choice(*_KNOWN)), Argument("name", NAME))
_HEADERS: Final = {"Content-Type": "application/json"}
OPERATIONS: Final = (
    operation("GATEWAY-SET", "PUT", f"{_ACCOUNT}/sms_gateway", set_gateway,
              Argument("url", Kind(_read_url)),
              maybe("headers", Kind(_read_headers, dict[str, str]), _HEADERS),
              Argument("body", NOTE), maybe("successPattern", NAME, ""),
              maybe("sender", text(32), "")),
    operation("GATEWAY-GET", "GET", f"{_ACCOUNT}/sms_gateway", _shown("sms")),
    operation("GATEWAY-TEST", "POST", f"{_ACCOUNT}/sms_gateway/test", _tested("sms", "number"),
              Argument("number", PHONE), far=True),
    operation("SMTP-SET", "PUT", f"{_ACCOUNT}/smtp", set_smtp,
              Argument("url", Kind(_read_smtp)), Argument("from", NAME)),
    operation("SMTP-GET", "GET", f"{_ACCOUNT}/smtp", _shown("email")),
    operation("SMTP-TEST", "POST", f"{_ACCOUNT}/smtp/test", _tested("email", "email"),
              Argument("email", EMAIL), far=True),
    operation("TEXT-SET", "PUT", _TEXT, set_text, *_WHICH, maybe("subject", NAME, ""),
              Argument("body", NOTE)),
    operation("TEXT-GET", "GET", _TEXT, get_text, *_WHICH),
)  # fmt: skip
