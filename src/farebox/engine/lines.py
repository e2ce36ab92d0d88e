"""Secrets of lines: what telephones register with and fetch their settings with (pbx.md 1.3).

They are sealed, each bound to its row, because telephones need them in clear. An extension's secret
leaves through `peer` only, and every reading is in the audit log.
"""

import secrets
import string
from collections.abc import Callable
from typing import Final

import msgspec

from farebox.domain.errors import NotFoundError, UnavailableError
from farebox.engine.operators import Operator, note
from farebox.engine.sealing import Sealer, UnsealableError, about
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_ALPHABET: Final = string.digits + string.ascii_letters + ".$"
SECRET_CHARS: Final = 28


class Peer(msgspec.Struct, frozen=True):
    """The SIP account of an extension."""

    name: str
    host: str
    secret: str


class Lines:
    """Reads and makes the secrets of extensions, and keeps those of phones."""

    def __init__(self, pool: Pool, clock: Callable[[], int], sealer: Sealer) -> None:
        self._pool = pool
        self._clock = clock
        self._sealer = sealer

    async def peer(self, caller: Operator, tenant: int, extension: int) -> Peer:
        """The account of a tenant's extension; NotFoundError where the caller sees none."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(SQL.peer, extension, tenant, caller.is_admin, caller.id)
            if row is None:
                raise NotFoundError("There is no such account")
            told = Peer(row["name"], row["host"], self.opened(extension, row["secret_sealed"]))
            await note(connection, self._clock(), caller, "secret_read", tenant, extension)
        return told

    def opened(self, extension: int, sealed: bytes) -> str:
        """What was sealed for an extension."""
        try:
            return self._sealer.open(sealed, about("pbx", "secret", extension)).decode()
        except UnsealableError:
            raise UnavailableError(
                "The secret cannot be read with this key ring", "secrets_unavailable"
            ) from None

    async def set_secret(
        self, connection: Connection, extension: int, secret: str, host: str | None = None
    ) -> None:
        """Gives an extension a secret, and an account if it has none."""
        sealed = self._sealer.seal(secret.encode(), about("pbx", "secret", extension))
        await connection.execute(SQL.set_secret, extension, sealed, host)

    async def account(self, connection: Connection, extension: int) -> tuple[str, str]:
        """Host and secret of an extension's account, empty where there is none that opens."""
        row = await connection.fetchrow(SQL.account, extension)
        if row is None:
            return "", ""
        try:
            return row["host"], self.opened(extension, row["secret_sealed"])
        except UnavailableError:
            return row["host"], ""

    async def phone_password(self, connection: Connection, phone: int) -> str:
        """What a phone fetches its settings with, empty where there is nothing that opens."""
        sealed = await connection.fetchval(SQL.phone_password, phone)
        try:
            return (
                self._sealer.open(sealed, about("pbx", "phone", phone)).decode() if sealed else ""
            )
        except UnsealableError:
            return ""

    async def set_host(self, connection: Connection, extension: int, host: str) -> None:
        """Lets an extension's account register from one host."""
        await connection.execute(SQL.set_host, extension, host)

    async def rotate(self, caller: Operator, extension: int) -> str:
        """Gives an extension another secret, which is told this once."""
        made = generated()
        async with transaction(self._pool) as connection:
            await self.note(connection, caller, "secret_rotated", extension)
            await self.set_secret(connection, extension, made)
        return made

    async def note(
        self, connection: Connection, caller: Operator, action: str, extension: int
    ) -> None:
        """An entry of the audit log about an extension; NotFoundError where there is none."""
        tenant = await connection.fetchval(SQL.tenant_of, extension)
        if tenant is None:
            raise NotFoundError("There is no such extension")
        await note(connection, self._clock(), caller, action, tenant, extension)

    async def keep_phone_password(self, connection: Connection, phone: int, password: str) -> None:
        """Keeps what a phone fetches its settings with; an empty one is none."""
        sealed = self._sealer.seal(password.encode(), about("pbx", "phone", phone))
        await connection.execute(SQL.keep_phone_password, phone, sealed if password else None)


def generated() -> str:
    """A secret of 168 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))
