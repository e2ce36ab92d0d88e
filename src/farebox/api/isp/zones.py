"""Accounts and credentials, kept by operators (isp.md 2, 4.9).

The account in the path is the one that the call is about, so it must be the caller's or lie below
it; a new one lies below the selected account and begins with its settings. Keys are shown once.
"""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any, Final

from farebox.api.isp.arguments import Argument, fold
from farebox.api.isp.dialect import Answer, Call, created, data, gone
from farebox.api.isp.kinds import ACCOUNT, FLAG, INSTANT, NAME, TOKEN, Kind, choice, text, whole
from farebox.api.isp.operating import maybe, operation
from farebox.domain import wall_clocks
from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.engine.credentials import DEFAULT_SCOPES, SCOPES

NETWORKS_MAX: Final = 50


def _read_zone(value: object) -> str:
    try:
        return zone(str(value)).key
    except InvalidError:
        raise ValueError("must be an IANA time zone") from None


def _read_thresholds(value: object) -> list[int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be two whole numbers")
    low, high = (one if isinstance(one, int) and not isinstance(one, bool) else 0 for one in value)
    if not 1 <= low <= high <= 100:
        raise ValueError("must be two whole numbers from 1 to 100, the smaller one first")
    return [low, high]


def _listed(read: Callable[[Any], str], most: int) -> Kind:
    """A list, or a text with spaces between its items; each item once."""

    def read_all(value: object) -> list[str]:
        given = value if isinstance(value, list) else str(value).split()
        if len(given) > most:
            raise ValueError(f"must have at most {most} items")
        return list(dict.fromkeys(read(one) for one in given))

    return Kind(read_all, list[str])


def _read_network(value: object) -> str:
    try:
        return str(ip_network(str(value).strip(), strict=False))
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8") from None


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
    "usageAlerts": ("usage_alerts", choice("none", "sms", "email", "both")),
    "alertThresholds": ("alert_thresholds", Kind(_read_thresholds, list[int])),
    "sessionSilence": ("session_silence_s", whole(60, 86_400)),
}
_ACCOUNT_SETTINGS: Final = tuple(maybe(name, kind) for name, (_, kind) in _SETTINGS.items())


def _settings(call: Call) -> dict[str, Any]:
    told = {column: call[name] for name, (column, _) in _SETTINGS.items() if call[name] is not None}
    # The one setting that an account may be without, so null takes it away.
    if fold("companyName") in call.given:
        told["company_name"] = call["companyName"]
    return told


def _account(row: Any) -> dict[str, Any]:
    told = {name: row[column] for name, (column, _) in _SETTINGS.items()}
    return {"accountId": row["id"], "parentAccountId": row["parent"], **told}


async def list_accounts(call: Call) -> Answer:
    """The account and all below it."""
    rows = await call.services.provider.zones.below(call.account.id)
    return data([_account(row) for row in rows])


async def get_account(call: Call) -> Answer:
    """One account."""
    return data(_account(await call.services.provider.zones.get(call.account.id)))


async def create_account(call: Call) -> Answer:
    """A new account below the selected one."""
    zones, name = call.services.provider.zones, call["newAccountId"]
    await zones.create(call.account.id, name, _settings(call))
    return created(_account(await zones.get(name)))


async def change_account(call: Call) -> Answer:
    """Other settings."""
    await call.services.provider.zones.change(call.account.id, _settings(call))
    return await get_account(call)


async def delete_account(call: Call) -> Answer:
    """The end of an account that nothing belongs to."""
    await call.services.provider.zones.delete(call.caller, call.account.id)
    return gone()


def _credential(row: Any, time_zone: str) -> dict[str, Any]:
    return {
        "apiToken": row["token"],
        "scopes": row["scopes"],
        "cidrs": [str(one) for one in row["networks"]],
        "enabled": row["enabled"],
        "expiresAt": wall_clocks.optional_text(row["expires_at_ms"], time_zone),
        "lastUsedAt": wall_clocks.optional_text(row["used_at_ms"], time_zone),
    }


async def list_credentials(call: Call) -> Answer:
    """The credentials of an account."""
    rows = await call.services.provider.zones.credentials(call.account.id)
    return data([_credential(row, call.account.time_zone) for row in rows])


async def create_credential(call: Call) -> Answer:
    """A new credential; its key is shown this once."""
    key = await call.services.provider.zones.admit(
        call.caller, call.account, call["apiToken"], _terms(call)
    )
    return created({"apiToken": call["apiToken"], "apiKey": key})


async def change_credential(call: Call) -> Answer:
    """Other scopes, networks or end; what is not given stays."""
    row = await call.services.provider.zones.rule(
        call.caller, call.account, call["apiToken"], _terms(call)
    )
    return data(_credential(row, call.account.time_zone))


def _terms(call: Call) -> dict[str, Any]:
    terms = {"scopes": call["scopes"], "networks": call["cidrs"], "enabled": call["enabled"]}
    if call["expiresAt"] is not None:
        terms["expires_at_ms"] = wall_clocks.of_moment(call["expiresAt"], call.account.time_zone)
    return {name: value for name, value in terms.items() if value is not None}


async def delete_credential(call: Call) -> Answer:
    """The end of a credential."""
    await call.services.provider.zones.dismiss(call.account.id, call["apiToken"])
    return gone()


_ACCOUNTS: Final = "accounts/{accountId}"
_CREDENTIALS: Final = f"{_ACCOUNTS}/credentials"
_TOKEN: Final = Argument("apiToken", TOKEN)
_SCOPES: Final = _listed(choice(*SCOPES).read, len(SCOPES))
_TERMS: Final = (
    maybe("cidrs", _listed(_read_network, NETWORKS_MAX)), maybe("enabled", FLAG),
    maybe("expiresAt", INSTANT),
)  # fmt: skip
OPERATIONS: Final = (
    operation("ACCOUNT-LIST", "GET", "accounts", list_accounts),
    operation("ACCOUNT-CREATE", "POST", "accounts", create_account,
              Argument("newAccountId", ACCOUNT), *_ACCOUNT_SETTINGS, status=201),
    operation("ACCOUNT-GET", "GET", _ACCOUNTS, get_account),
    operation("ACCOUNT-UPDATE", "PATCH", _ACCOUNTS, change_account, *_ACCOUNT_SETTINGS),
    operation("ACCOUNT-DELETE", "DELETE", _ACCOUNTS, delete_account, status=204),
    operation("CREDENTIAL-LIST", "GET", _CREDENTIALS, list_credentials),
    operation("CREDENTIAL-CREATE", "POST", _CREDENTIALS, create_credential, _TOKEN,
              maybe("scopes", _SCOPES, list(DEFAULT_SCOPES)), *_TERMS, status=201),
    operation("CREDENTIAL-UPDATE", "PATCH", f"{_CREDENTIALS}/{{apiToken}}", change_credential,
              _TOKEN, maybe("scopes", _SCOPES), *_TERMS),
    operation("CREDENTIAL-DELETE", "DELETE", f"{_CREDENTIALS}/{{apiToken}}", delete_credential,
              _TOKEN, status=204),
)  # fmt: skip
