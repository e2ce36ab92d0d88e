"""Boxes that sign in and fetch their events (iptv.md 3.13, 4.2).

The first box that signs in for an account is its box until the binding is taken back. Every cause
of a refusal is told in the same words. A box that waits for an event holds no connection: what
commits events wakes it, on every server. Each poll writes when the box was seen.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from farebox.domain.errors import ConflictError, NotFoundError, UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.boxes import Boxes
from farebox.engine.passwords import Passwords
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
TOKEN_S: Final = 86_400
# Failed attempts of one box, or from one address, and the span in which they count.
FAILURES: Final = (10, 60)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a box says of itself."""

    mac: str
    login: str
    password: str
    device_id: str
    sn: str
    stb_type: str
    version: str
    client: str


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A question for events; `shown` is the event that the box shows now, 0 for none."""

    token: str
    client: str
    shown: int = 0
    is_playing: bool = False
    version: str = ""
    wait_s: int = 0


class Polls:
    """Signs boxes in, delivers events, wakes who waits."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], boxes: Boxes, passwords: Passwords,
        restraint: Restraint,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._boxes = boxes
        self._passwords = passwords
        self._restraint = restraint
        self._waiting: dict[int, set[asyncio.Event]] = {}

    async def sign_in(self, said: SignIn) -> str:
        """A token that replaces the box's others. UnauthorizedError, ConflictError."""
        async with (
            self._restraint.attempt(f"address {said.client}"),
            self._restraint.attempt(f"box {said.mac or said.login.lower()}"),
        ):
            async with storage_errors():
                row = await self._pool.fetchrow(SQL.find, said.mac, said.login)
            await self._check(row, said)
            async with transaction(self._pool) as connection:
                return await self._bind(connection, row["id"], said)

    async def _check(self, row: Any, said: SignIn) -> None:
        stored = row["password_hash"] if row else None
        if row is not None and stored is None:
            # Without a password an account is known by its address alone.
            is_right = row["mac"] != "" and row["mac"] == said.mac
        else:
            is_right = await self._passwords.matches(stored, said.password)
        if row is None or not is_right:
            raise _unauthorized()

    async def _bind(self, connection: Connection, account: int, said: SignIn) -> str:
        row = await connection.fetchrow(SQL.hold, account)
        if row is None or row["device_id"] not in (None, said.device_id):
            raise _unauthorized()
        if said.mac and row["mac"] not in ("", said.mac):
            raise _unauthorized()
        if said.mac and not row["mac"]:
            await connection.execute(SQL.hold_mac, said.mac)
            if await connection.fetchval(SQL.is_taken, said.mac):
                raise ConflictError("MAC address already in use")
        token = secrets.token_urlsafe(32)
        await connection.execute(
            SQL.bind, account, said.mac, said.device_id, _digest(token),
            self._clock() + TOKEN_S * 1000, said.sn, said.stb_type, said.version, said.client,
        )  # fmt: skip
        return token

    async def poll(self, asked: Poll) -> Any:
        """The account's state and perhaps an event; waits for one as long as was asked."""
        account = await self.account_of(asked.token)
        bell = asyncio.Event()
        self._waiting.setdefault(account, set()).add(bell)
        try:
            told = await self._deliver(account, asked)
            if told["id"] is None and asked.wait_s:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), asked.wait_s)
                told = await self._deliver(account, asked)
            return told
        finally:
            self._waiting[account].discard(bell)
            if not self._waiting[account]:
                del self._waiting[account]

    async def _deliver(self, account: int, asked: Poll) -> Any:
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await self._boxes.hold(connection, [account])
            told = await connection.fetchrow(SQL.state, account, now_ms, asked.shown)
            if told is None:
                raise _unauthorized()
            await connection.execute(SQL.note, account, now_ms, asked.is_playing, asked.client,
                                     asked.version)  # fmt: skip
            if told["id"] is not None:
                await connection.execute(SQL.sent, told["id"], now_ms)
        return told

    async def account_of(self, token: str) -> int:
        """The account of a token. Raises UnauthorizedError."""
        async with storage_errors():
            found: int | None = await self._pool.fetchval(
                SQL.of_token, _digest(token), self._clock()
            )
        if found is None:
            raise _unauthorized()
        return found

    def wake(self, named: str) -> None:
        """Wakes the boxes that a notification names; all for "*", and when some may be missed."""
        ids = list(self._waiting) if named in ("", "*") else map(int, named.split(","))
        for account in ids:
            for bell in self._waiting.get(account, ()):
                bell.set()

    async def confirm(self, token: str, event: int) -> None:
        """Ends an event of the box. NotFoundError."""
        account = await self.account_of(token)
        async with storage_errors():
            if not await self._pool.fetchval(SQL.confirm, account, event, self._clock()):
                raise NotFoundError("Event not found")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _unauthorized() -> UnauthorizedError:
    return UnauthorizedError("Device not authorized", "device")
