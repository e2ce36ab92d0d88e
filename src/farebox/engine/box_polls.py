"""Boxes that sign in and fetch their events (iptv.md 3.13, 4.2).

The first box that signs in for an account is its box until the binding is taken back. Every cause
of a refusal is told in the same words. Polls that come at once share a statement, and a second one
where they take events with them; that a box was seen is noted and written later. A box that waits
for an event holds no connection: what commits events wakes it, on every server. It waits once: its
next poll ends the wait of the one before.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from farebox.domain.errors import ConflictError, NotFoundError, UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.boxes import Boxes
from farebox.engine.gathering import Gathering
from farebox.engine.passwords import Passwords
from farebox.engine.sightings import Sightings
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
        restraint: Restraint, sightings: Sightings, *, is_billing: bool = False,
        knows_addresses: bool = True,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._boxes = boxes
        self._passwords = passwords
        self._restraint = restraint
        self._sightings = sightings
        self._is_billing = is_billing
        # Whether an account without a password is known by its address.
        self._knows_addresses = knows_addresses
        self._waiting: dict[int, asyncio.Event] = {}
        self._look: Gathering[tuple[bytes, int], Any] = Gathering(self._look_at)
        self._take: Gathering[tuple[int, int], bool] = Gathering(self._take_all)

    async def sign_in(self, said: SignIn) -> str:
        """A token that replaces the box's others. UnauthorizedError, ConflictError."""
        async with (
            self._restraint.attempt(f"address {said.client}"),
            self._restraint.attempt(f"box {said.mac or said.login.lower()}"),
        ):
            async with storage_errors():
                row = await self._pool.fetchrow(SQL.find, said.mac, said.login)
            try:
                await self._check(row, said)
                async with transaction(self._pool) as connection:
                    return await self._bind(connection, row["id"], said)
            except UnauthorizedError:
                if row is not None and row["password_hash"] is None:
                    # It must not cost less than a wrong password or an unknown name.
                    await self._passwords.matches(None, said.password)
                raise

    async def _check(self, row: Any, said: SignIn) -> None:
        stored = row["password_hash"] if row else None
        if row is not None and stored is None:
            # Without a password an account is known by its address alone.
            is_right = self._knows_addresses and row["mac"] != "" and row["mac"] == said.mac
        else:
            is_right = await self._passwords.matches(stored, said.password)
        if not is_right:
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
        told = await self._deliver(asked)
        if told["event_id"] is not None or not asked.wait_s:
            return told
        account, bell = told["id"], asyncio.Event()
        if account in self._waiting:
            self._waiting[account].set()
        self._waiting[account] = bell
        try:
            # What was queued before the bell hung has not rung it.
            told = await self._deliver(asked)
            if told["event_id"] is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), asked.wait_s)
                told = await self._deliver(asked)
            return told
        finally:
            if self._waiting.get(account) is bell:
                del self._waiting[account]

    async def _deliver(self, asked: Poll) -> Any:
        """The state of an account with the event that it is given, if there is one."""
        question, is_settled = (_digest(asked.token), asked.shown), False
        while True:
            told = await self._look(question)
            if told is None:
                raise _unauthorized()
            if told["is_due"] and not is_settled:
                async with transaction(self._pool) as connection:
                    await self._boxes.hold(connection, [told["id"]])
                is_settled = True
            elif told["event_id"] is None or await self._take((told["event_id"], told["id"])):
                self._note(told, asked)
                return told

    async def _look_at(self, asked: Sequence[tuple[bytes, int]]) -> list[Any]:
        """What polls with these tokens answer; nothing for those that are nobody's."""
        tokens, shown = [one[0] for one in asked], [one[1] for one in asked]
        async with storage_errors():
            rows = await self._pool.fetch(SQL.look, tokens, shown, self._clock(), self._is_billing)
        by_place = {row["place"]: row for row in rows}
        return [by_place.get(place) for place in range(1, len(asked) + 1)]

    async def _take_all(self, asked: Sequence[tuple[int, int]]) -> list[bool]:
        """Which events of which accounts are these polls'; others may have come first."""
        places = sorted({*asked})
        events, accounts = [place[0] for place in places], [place[1] for place in places]
        async with storage_errors():
            rows = await self._pool.fetch(SQL.take, accounts, events, self._clock())
        left = {row["id"] for row in rows}
        mine = []
        for event, _ in asked:
            mine.append(event in left)
            left.discard(event)
        return mine

    def _note(self, told: Any, asked: Poll) -> None:
        version = asked.version or told["version"]
        is_moved = (told["ip"], told["version"]) != (asked.client, version)
        self._sightings.note(
            told["id"], is_playing=asked.is_playing,
            moved=(asked.client, version) if is_moved else None,
        )  # fmt: skip

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
            if account in self._waiting:
                self._waiting[account].set()

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
