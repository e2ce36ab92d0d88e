"""Operator routes that are no declared resource (isp.md 4.9): accounts, credentials, senders,
texts, passwords and statuses of subscribers, and a demonstration's simulators.

An account in the path is the account that the call is about, so it must be the caller's or lie
below it. Keys are shown once, what senders need never.
"""

from typing import Any, Final

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp import belongings, quotas
from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation, body_type, enter
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data, success
from farebox.api.isp.kinds import ACCOUNT, FLAG, ID, NAME, NOTE, TOKEN, Kind, choice, text
from farebox.api.isp.recording import recorded
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain import notices
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.domain.windows import zone
from farebox.engine.credentials import DEFAULT_SCOPES, SCOPES
from farebox.engine.subscribers import STATUSES
from farebox.engine.zones import encoded
from farebox.outbound.mail import check_url as check_smtp
from farebox.outbound.simulators import BEHAVIOURS
from farebox.outbound.sms import Gateway
from farebox.outbound.webhook import check_url

_METHODS: Final = {"GET": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}


def _read_zone(value: object) -> str:
    try:
        return zone(str(value)).key
    except InvalidError:
        raise ValueError("must be an IANA time zone") from None


def _read_scopes(value: object) -> list[str]:
    given = value if isinstance(value, list) else str(value).split()
    return [choice(*SCOPES).read(one) for one in given]


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


# The documented name of a setting, its column and kind.
_SETTINGS: Final[dict[str, tuple[str, Kind]]] = {
    "companyName": ("company_name", NAME),
    "timezone": ("time_zone", Kind(_read_zone)),
    "countryCode": ("country_code", text(2, 2)),
    "currency": ("currency", text(3, 3)),
    "smsSenderName": ("sms_sender_name", text(32)),
    "passwordRecovery": ("password_recovery", choice("credentials", "temporary")),
    "collectionAutoApprove": ("collection_auto_approve", FLAG),
    "coaFallbackDisconnect": ("coa_fallback_disconnect", FLAG),
    "exposeApiKey": ("expose_api_key", FLAG),
}
_ACCOUNT_SETTINGS: Final = tuple(
    Argument(name, kind, required=False) for name, (_, kind) in _SETTINGS.items()
)


def _settings(call: Call) -> dict[str, Any]:
    return {column: call[name] for name, (column, _) in _SETTINGS.items() if call[name] is not None}


def _account(row: Any) -> dict[str, Any]:
    told = {name: row[column] for name, (column, _) in _SETTINGS.items()}
    return {"accountId": row["id"], "parentAccountId": row["parent"], **told}


async def list_accounts(call: Call) -> Answer:
    """The account and all below it."""
    rows = await call.services.provider.zones.below(call.account.id)
    return data([_account(row) for row in rows])


async def create_account(call: Call) -> Answer:
    """A new account below the selected one."""
    await call.services.provider.zones.create(
        call.account.id, call["newAccountId"], _settings(call)
    )
    return success()


async def change_account(call: Call) -> Answer:
    """Other settings."""
    await call.services.provider.zones.change(call.account.id, _settings(call))
    return success()


async def list_credentials(call: Call) -> Answer:
    """The credentials of an account."""
    rows = await call.services.provider.zones.credentials(call.account.id)
    return data([
        {"apiToken": row["token"], "scopes": row["scopes"], "enabled": row["enabled"]}
        for row in rows
    ])  # fmt: skip


async def create_credential(call: Call) -> Answer:
    """A new credential; its key is shown this once."""
    key = await call.services.provider.zones.admit(
        call.caller, call.account.id, call["apiToken"], call["scopes"]
    )
    return data({"apiToken": call["apiToken"], "apiKey": key})


async def delete_credential(call: Call) -> Answer:
    """The end of a credential."""
    await call.services.provider.zones.dismiss(call.account.id, call["apiToken"])
    return success()


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


async def set_text(call: Call) -> Answer:
    """What an account says instead of the built-in text."""
    known = notices.SMS if call["channel"] == "sms" else notices.EMAIL
    if call["name"] not in known:
        raise NotFoundError(f"Template {call['name']} not found", "template_not_found")
    await call.services.provider.zones.keep_text(
        call.account.id, call["channel"], call["name"], call["subject"], call["body"]
    )
    return success()


async def set_password(call: Call) -> Answer:
    """Another password for a subscriber."""
    await call.services.provider.passwords.set(call.account.id, call["userId"], call["password"])
    return success()


async def set_status(call: Call) -> Answer:
    """Another status for a subscriber."""
    await call.services.provider.departures.turn(call.account.id, call["userId"], call["status"])
    return success()


async def set_behaviour(call: Call) -> Answer:
    """What a simulator of a demonstration does from now on."""
    simulators = call.services.provider.simulators
    if simulators is None:
        raise NotFoundError("There is no such operation", "unknown_operation")
    simulators.behaviour[call["name"]] = call["behaviour"]
    return success()


def _operation(
    noun: str, method: str, path: str, run: Any, *takes: Argument, gives: Any = dict[str, Any]
) -> Operation:
    return Operation(
        id=f"ISP-X-{noun}", method=method, path=path, scope="admin", run=run, gives=gives,
        takes=takes, fixed=3,
    )  # fmt: skip


def _optional(name: str, kind: Kind) -> Argument:
    return Argument(name, kind, required=False, default="")


_TOKEN: Final = Argument("apiToken", TOKEN)
_USER: Final = Argument("userId", ID)
_TURNS: Final = choice(*(one for one in STATUSES if one not in ("deleted", "expired")))
OPERATIONS: Final = (
    _operation("ACCOUNT-LIST", "GET", "accounts", list_accounts),
    _operation("ACCOUNT-CREATE", "POST", "accounts", create_account,
               Argument("newAccountId", ACCOUNT), *_ACCOUNT_SETTINGS),
    _operation("ACCOUNT-UPDATE", "PATCH", "accounts/{accountId}", change_account,
               *_ACCOUNT_SETTINGS),
    _operation("CREDENTIAL-LIST", "GET", "accounts/{accountId}/credentials", list_credentials),
    _operation("CREDENTIAL-CREATE", "POST", "accounts/{accountId}/credentials", create_credential,
               _TOKEN, Argument("scopes", Kind(_read_scopes, list[str]), required=False,
                                default=list(DEFAULT_SCOPES))),
    _operation("CREDENTIAL-DELETE", "DELETE", "accounts/{accountId}/credentials/{apiToken}",
               delete_credential, _TOKEN),
    _operation("GATEWAY-SET", "PUT", "accounts/{accountId}/sms_gateway", set_gateway,
               Argument("url", Kind(_read_url)),
               Argument("headers", Kind(_read_headers, dict[str, str]), required=False,
                        default={"Content-Type": "application/json"}),
               Argument("body", NOTE), _optional("successPattern", NAME),
               _optional("sender", text(32))),
    _operation("SMTP-SET", "PUT", "accounts/{accountId}/smtp", set_smtp,
               Argument("url", Kind(_read_smtp)), Argument("from", NAME)),
    _operation("TEXT-SET", "PUT", "accounts/{accountId}/templates/{channel}/{name}", set_text,
               Argument("channel", choice("sms", "email")), Argument("name", NAME),
               _optional("subject", NAME), Argument("body", NOTE)),
    _operation("USER-PASSWORD", "PUT", "users/{userId}/password", set_password, _USER,
               Argument("password", text(128))),
    _operation("USER-STATUS", "POST", "users/{userId}/status", set_status, _USER,
               Argument("status", _TURNS),
               _optional("reason", NOTE)),
    _operation("SIMULATOR-SET", "PUT", "simulators/{name}", set_behaviour,
               Argument("name", choice(*BEHAVIOURS)), Argument("behaviour", text(64))),
)  # fmt: skip


def routes(services: Services) -> list[HTTPRouteHandler]:
    """All of them."""
    declared = (*OPERATIONS, *belongings.OPERATIONS, *quotas.OPERATIONS)
    return [_route(services, operation) for operation in declared]


def _route(services: Services, operation: Operation) -> HTTPRouteHandler:
    async def answer(request: HTTPRequest) -> Answer:
        return await recorded(request, await enter(services, request, operation), operation)

    body = [one for one in operation.takes if one.name not in operation.places]
    described = documented(
        operation.id,
        body_type(operation.id.title().replace("-", ""), body) if body else None,
        operation.gives,
        path=dict.fromkeys(operation.places, str),
        refused=Failure,
        security="provider",
    )
    path = "/" + operation.path.replace("}", ":str}")
    handler: HTTPRouteHandler = _METHODS[operation.method](path, **described)(answer)
    return handler
