"""Passwords of subscribers, which the network needs in clear (isp.md 4.6, E11).

They are sealed with the key ring, each bound to its account and subscriber, and leave only through
`read` and the messages that recover them. A ring without the right secret refuses; nothing of a
password is ever in an error.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from farebox.domain.errors import UnavailableError
from farebox.engine.limits import Limits
from farebox.engine.sealing import Sealer, UnsealableError, about
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Nothing that looks like something else.
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
GENERATED_CHARS: Final = 10


class KeptPasswords:
    """Reads and sets passwords."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], sealer: Sealer, limits: Limits
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._sealer = sealer
        self._limits = limits

    async def read(self, account: str, number: int, caller: str) -> str:
        """The password of a subscriber; empty when he has none."""
        await self._limits.take("password", caller)
        await Subscribers(self._pool, self._clock).get(account, number)
        async with storage_errors():
            sealed = await self._pool.fetchval(SQL.sealed, number)
        return self.opened(account, number, sealed)

    def opened(self, account: str, number: int, sealed: bytes | None) -> str:
        """What was sealed for a subscriber."""
        return unseal(self._sealer, account, "password", number, sealed)

    async def set(self, account: str, number: int, password: str) -> None:
        """Another password for a subscriber."""
        await Subscribers(self._pool, self._clock).get(account, number)
        async with storage_errors():
            await self._keep(self._pool, account, number, password)

    async def keep_others(
        self, connection: Connection, account: str, given: Mapping[int, str]
    ) -> list[int]:
        """Passwords of subscribers, where they are other ones; whose these are."""
        kept = await self.of(connection, account, list(given))
        others = [number for number, password in given.items() if kept[number] != password]
        now_ms = self._clock()
        rows = [(number, self._sealed(account, number, given[number]), now_ms) for number in others]
        await connection.executemany(SQL.set, rows)
        return others

    async def of(
        self, connection: Connection, account: str, numbers: Sequence[int]
    ) -> dict[int, str]:
        """The passwords of subscribers of an account."""
        rows = await connection.fetch(SQL.sealed_of, list(numbers))
        return {row["id"]: self.opened(account, row["id"], row["password_sealed"]) for row in rows}

    async def generate(self, connection: Connection, account: str, number: int) -> str:
        """A new password of a subscriber."""
        made = "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_CHARS))
        await self._keep(connection, account, number, made)
        return made

    async def _keep(
        self, connection: Connection | Pool, account: str, number: int, password: str
    ) -> None:
        sealed = self._sealed(account, number, password)
        await connection.execute(SQL.set, number, sealed, self._clock())

    def _sealed(self, account: str, number: int, password: str) -> bytes:
        return self._sealer.seal(password.encode(), about(account, "password", number))


def unseal(sealer: Sealer, account: str, kind: str, number: int, sealed: bytes | None) -> str:
    """A secret of an account as text, empty for none; UnavailableError without the right key."""
    if sealed is None:
        return ""
    try:
        return sealer.open(sealed, about(account, kind, number)).decode()
    except UnsealableError:
        raise UnavailableError(
            "The secret cannot be read with this key ring", "secrets_unavailable"
        ) from None
