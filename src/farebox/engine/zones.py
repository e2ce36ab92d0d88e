"""Accounts as operators keep them: zones below zones, credentials, gateways, texts (isp.md 4.9).

A credential can only be given scopes that its maker has. Keys are shown once; what gateways and
mail servers need is sealed and never shown.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from farebox.domain.errors import ConflictError, ForbiddenError, NotFoundError
from farebox.engine.credentials import Account, Caller, Credentials
from farebox.engine.notices import SQL as NOTICES
from farebox.engine.sealing import Sealer, about
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
DEPTH_MAX: Final = 16
# What PostgreSQL says when other rows refer to one that is to go.
_REFERRED: Final = "23503"
# The table of a channel's server, and what its secret is sealed for.
_SENDERS: Final = {
    "sms": ("sms_gateway", SQL.keep_gateway),
    "email": ("smtp_server", SQL.keep_smtp),
}


class Zones:
    """Reads and writes accounts and what belongs to them."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], credentials: Credentials, sealer: Sealer
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._credentials = credentials
        self._sealer = sealer

    async def below(self, root: str) -> list[Any]:
        """An account and all below it."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.below, root))

    async def get(self, account: str) -> Any:
        """An account."""
        async with storage_errors():
            return await self._pool.fetchrow(SQL.get, account)

    async def delete(self, caller: Caller, account: str) -> None:
        """The end of an account; ConflictError as long as anything belongs to it."""
        if account == caller.account.id:
            raise ConflictError("An account does not delete itself", "in_use")
        try:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.delete, account)
        except Exception as error:
            if getattr(error, "sqlstate", "") == _REFERRED:
                raise ConflictError(f"Account {account} is in use", "in_use") from error
            raise

    async def create(self, parent: str, name: str, values: Mapping[str, Any]) -> None:
        """A new account below one."""
        async with transaction(self._pool) as connection:
            if await connection.fetchval(SQL.depth, parent) >= DEPTH_MAX:
                raise ConflictError("Accounts lie at most 16 deep", "too_deep")
            if not await connection.fetchval(SQL.add, name, parent, self._clock()):
                raise ConflictError(f"There is another account {name}", "duplicate_name")
            await connection.execute(SQL.change, name, dict(values), self._clock())

    async def change(self, account: str, values: Mapping[str, Any]) -> None:
        """Other settings; what is not given stays."""
        async with storage_errors():
            await self._pool.execute(SQL.change, account, dict(values), self._clock())

    async def credentials(self, account: str) -> list[Any]:
        """The credentials of an account, without their keys."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.credentials, account))

    async def admit(
        self, caller: Caller, account: Account, token: str, terms: Mapping[str, Any]
    ) -> str:
        """A new credential of an account; its key."""
        _permit(caller, terms)
        async with transaction(self._pool) as connection:
            if await connection.fetchval(SQL.is_taken, token):
                raise ConflictError(f"There is another token {token}", "duplicate_name")
            key = await self._credentials.add(connection, account.id, token, terms["scopes"])
            await connection.fetchrow(SQL.rule, account.id, token, dict(terms))
        return key

    async def rule(
        self, caller: Caller, account: Account, token: str, terms: Mapping[str, Any]
    ) -> Any:
        """Other terms of a credential; its row."""
        _permit(caller, terms)
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.rule, account.id, token, dict(terms))
        if row is None:
            raise NotFoundError(f"Credential {token} not found", "row_not_found")
        return row

    async def dismiss(self, account: str, token: str) -> None:
        """The end of a credential."""
        async with storage_errors():
            if not await self._pool.fetchval(SQL.dismiss, account, token):
                raise NotFoundError(f"Credential {token} not found", "row_not_found")

    async def sender(self, account: str, channel: str) -> tuple[str, dict[str, Any]]:
        """Whose gateway or mail server an account sends through, and what of it is no secret."""
        async with storage_errors():
            row = await self._pool.fetchrow(NOTICES.sender, account, channel)
        if row is None:
            raise NotFoundError(f"There is no {channel} server", "row_not_found")
        return row["account"], row["settings"]

    async def keep_sender(
        self, account: Account, channel: str, settings: Mapping[str, Any], secret: bytes
    ) -> None:
        """Through what an account, and those below it, send from now on."""
        kind, statement = _SENDERS[channel]
        sealed = self._sealer.seal(secret, about(account.id, kind, 0))
        async with storage_errors():
            await self._pool.execute(statement, account.id, dict(settings), sealed)

    async def keep_text(
        self, account: str, channel: str, name: str, subject: str, body: str
    ) -> None:
        """What an account says instead of the built-in text."""
        async with storage_errors():
            await self._pool.execute(SQL.keep_text, account, channel, name, subject, body)


def _permit(caller: Caller, terms: Mapping[str, Any]) -> None:
    if not caller.scopes >= set(terms.get("scopes", ())):
        raise ForbiddenError("A credential gives only scopes it has", "forbidden_scope")


def encoded(gateway: msgspec.Struct) -> bytes:
    """A gateway as it is sealed."""
    return msgspec.json.encode(gateway)
