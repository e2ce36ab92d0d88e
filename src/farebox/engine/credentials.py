"""Who may call for the internet provider: tokens with keys, each of one account (isp.md 1.2).

A row is read on every request, so what an operator changes binds at once. All refusals of a
credential look the same, and an account outside the caller's own and those below it looks like one
that does not exist. Keys are random and long, so a plain hash keeps them.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address, ip_network
from typing import Any, Final

import msgspec

from farebox.domain.errors import ForbiddenError, UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.sealing import Sealer, about
from farebox.locks import LocalAttempts
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SCOPES: Final = ("read", "write", "collect", "notify", "network", "secrets", "admin")
DEFAULT_SCOPES: Final = SCOPES[:5]
# Failed attempts of one client with one token, and the span in which they count.
FAILURES: Final = (20, 60)
# How exactly it is known when a credential was last used.
USE_MS: Final = 60_000
_KEY_BYTES: Final = 32
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{4,64}", re.ASCII)
_NOBODY: Final = hashlib.sha256(b"").digest()


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A zone: whose subscribers a call sees, and what holds for all of them."""

    id: str
    parent: str | None
    company_name: str | None
    time_zone: str
    country_code: str
    currency: str
    sms_sender_name: str
    coa_fallback_disconnect: bool
    collection_auto_approve: bool
    password_recovery: str
    expose_api_key: bool
    alert_thresholds: tuple[int, int]

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.company_name or self.id


class Caller(msgspec.Struct, frozen=True):
    """A credential that was right, and its own account."""

    token: str
    scopes: frozenset[str]
    account: Account
    # Whether some move of a subscriber has come due and nobody has applied it yet.
    is_move_due: bool = False

    def require(self, scope: str) -> None:
        """Refuses a caller without the scope."""
        if scope not in self.scopes:
            raise ForbiddenError(f"This needs the scope {scope}", "forbidden_scope")


class Credentials:
    """Checks credentials, chooses accounts, makes keys."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], sealer: Sealer, restraint: Restraint
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._sealer = sealer
        self._restraint = restraint

    async def check(self, header: str | None, client: str) -> Caller:
        """The caller behind an Authorization header; UnauthorizedError, one for all causes."""
        token, key = _basic(header)
        async with self._restraint.attempt(f"{client} {token}"), storage_errors():
            row = await self._pool.fetchrow(SQL.find, token, self._clock())
            given = hashlib.sha256(key.encode()).digest()
            is_right = hmac.compare_digest(given, row["key_hash"] if row else _NOBODY)
            if row is None or not is_right or not self._is_open(row, client):
                raise _unauthorized()
        await self._note_use(token, row["used_at_ms"])
        return Caller(token, frozenset(row["scopes"]), account_of(row), row["is_move_due"])

    async def _note_use(self, token: str, used_at_ms: int | None) -> None:
        """Says that a credential is in use, once a minute at most."""
        now_ms = self._clock()
        if used_at_ms is None or now_ms - used_at_ms >= USE_MS:
            async with storage_errors():
                await self._pool.execute(SQL.use, token, now_ms)

    def _is_open(self, row: Any, client: str) -> bool:
        until_ms = row["expires_at_ms"]
        return (
            row["enabled"]
            and (until_ms is None or self._clock() < until_ms)
            and (not row["networks"] or _is_within(client, row["networks"]))
        )

    async def account(self, caller: Caller, wanted: str | None) -> Account:
        """The account that a call is about: the caller's own or one below it."""
        if wanted is None or wanted == caller.account.id:
            return caller.account
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.below, wanted, caller.account.id)
        if row is None:
            raise ForbiddenError("This account is not yours", "forbidden_account")
        return account_of(row)

    async def shown(
        self, accounts: Collection[str], shows_keys: bool
    ) -> dict[str, tuple[str, str]]:
        """The oldest token of each account, and its key where it may be shown (isp.md E13)."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.oldest, list(accounts))
        found = dict.fromkeys(accounts, ("", ""))
        for row in rows:
            sealed, key = row["key_sealed"] if shows_keys and row["expose_api_key"] else None, ""
            if sealed is not None:
                key = self._sealer.open(sealed, about(row["id"], "key", row["token"])).decode()
            found[row["id"]] = row["token"], key
        return found

    async def add(
        self, connection: Connection, account: str, token: str, scopes: Iterable[str],
        key: str | None = None,
    ) -> str:  # fmt: skip
        """Writes a credential and gives its key, which is shown this once."""
        key = key or base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=")
        hashed = hashlib.sha256(key.encode()).digest()
        sealed = self._sealer.seal(key.encode(), about(account, "key", token))
        await connection.execute(
            SQL.add, token, account, hashed, sealed, list(scopes), self._clock()
        )
        return key


async def bootstrap(
    pool: Pool, clock: Callable[[], int], sealer: Sealer, account: str, token: str | None,
    time_zone: str, currency: str, scopes: Iterable[str],
) -> tuple[str, str] | None:  # fmt: skip
    """A root account, if there is none of the name, and a credential of it: token and key.

    None when the account or the token is ill-formed, or the token taken.
    """
    name = token or f"t-{secrets.token_hex(8)}"
    if not (_ACCOUNT.fullmatch(account) and _TOKEN.fullmatch(name)):
        return None
    made = Credentials(pool, clock, sealer, Restraint(LocalAttempts(*FAILURES)))
    async with transaction(pool) as connection:
        if await connection.fetchval(SQL.is_taken, name):
            return None
        await connection.execute(SQL.add_account, account, time_zone, currency, clock())
        return name, await made.add(connection, account, name, scopes)


def _basic(header: str | None) -> tuple[str, str]:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        if scheme.lower() != "basic":
            raise _unauthorized()
        token, colon, key = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _unauthorized() from None
    if not colon or len(token) > 64 or "\x00" in token:
        raise _unauthorized()
    return token, key


def _unauthorized() -> UnauthorizedError:
    return UnauthorizedError("Sign in with an API token and its key")


def account_of(row: Any) -> Account:
    """An account's row as a caller has it."""
    values = {name: row[name] for name in Account.__struct_fields__}
    return Account(**{**values, "alert_thresholds": tuple(values["alert_thresholds"])})


def _is_within(client: str, networks: Iterable[Any]) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    listed = [ip_network(str(one), strict=False) for one in networks]
    return any(address.version == one.version and address in one for one in listed)
