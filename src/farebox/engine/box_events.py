"""What boxes are told: one queue per account (iptv.md 3.5, 4.2).

The head of a queue is its live event of the least priority and id. What needs no confirmation is
delivered at most once, the rest until it is confirmed or expires. Queueing wakes waiting boxes of
all processes by a notification that commits with the events.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
CHANNEL: Final = "iptv_event"
# More live events than this give way, the oldest of the lowest priority first.
LIVE_MAX: Final = 1000
STATES: Final = ("pending", "sent", "confirmed", "expired")
COUNTED_MAX: Final = 10_000
KEPT_MS: Final = 7 * 86_400_000
MESSAGE_TTL_S: Final = 604_800
# A notification names so many accounts; of more it says only that there are some.
_NAMED_MAX: Final = 100
# So many full queues are shortened at once.
_FULL_MAX: Final = 1000


class Kind(msgspec.Struct, frozen=True):
    """How an event of a name is queued."""

    delivered: str
    is_message: bool = False


KINDS: Final = {
    "send_msg": Kind("send_msg", is_message=True),
    "send_msg_with_video": Kind("send_msg_with_video", is_message=True),
    "update_channels": Kind("update_subscription"),
} | {
    name: Kind(name)
    for name in (
        "reboot", "reload_portal", "update_image", "show_menu", "cut_off", "play_channel",
        "play_radio_channel",
    )
}  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What is told; without a time to live that of its kind."""

    name: str
    msg: str = ""
    param1: str = ""
    is_message: bool = False
    reboot_after_ok: bool = False
    auto_hide_timeout: int = 0
    ttl_s: int = 0


class Events:
    """Queues events, and forgets them."""

    def __init__(self, pool: Pool, clock: Callable[[], int], watchdog_s: int) -> None:
        self._pool = pool
        self._clock = clock
        self._short_s = 2 * watchdog_s
        # Events that this process has ended because their queue was full.
        self.given_way = 0
        # Whether everybody was told something since queues were counted; before it nobody knows.
        self._may_be_full = True

    async def queue(
        self, connection: Connection, accounts: Sequence[int] | None, event: Event
    ) -> None:
        """Queues an event for accounts, or for all with None, in the caller's transaction."""
        if accounts is not None and not accounts:
            return
        ids = None if accounts is None else list(accounts)
        now_ms = self._clock()
        if ids is None:
            await connection.execute(SQL.allow_long)
        if event.reboot_after_ok:
            await connection.execute(SQL.replace, ids, now_ms)
        ttl_s = event.ttl_s or (MESSAGE_TTL_S if event.is_message else self._short_s)
        await connection.execute(
            SQL.queue, ids, event.name, event.msg, event.param1, event.is_message,
            event.reboot_after_ok, event.auto_hide_timeout,
            # Messages wait behind everything else.
            2 if event.is_message else 1,
            now_ms, now_ms + ttl_s * 1000,
        )  # fmt: skip
        if ids is None:
            await connection.execute(SQL.analyze)
        else:
            await self._trim(connection, ids, now_ms)
        is_named = ids is not None and len(ids) <= _NAMED_MAX
        named = ",".join(map(str, ids or ())) if is_named else "*"
        await connection.execute(SQL.wake, CHANNEL, named)

    def hear(self, named: str) -> None:
        """Some server has queued events: for everybody, or it may have, unless they are named."""
        self._may_be_full = self._may_be_full or named in ("", "*")

    async def broadcast(self, accounts: Sequence[int] | None, event: Event) -> None:
        """The same in a transaction of its own."""
        async with transaction(self._pool) as connection:
            await self.queue(connection, accounts, event)

    async def listed(
        self, accounts: Sequence[int] | None, event: str | None, state: str | None,
        offset: int, limit: int,
    ) -> tuple[list[Any], int]:  # fmt: skip
        """Events as support looks at them, and how many match, counted up to a bound."""
        ids = None if accounts is None else list(accounts)
        asked = (ids, event, state, self._clock())
        async with storage_errors():
            rows = await self._pool.fetch(SQL.listed, *asked, offset, limit)
            return list(rows), await self._pool.fetchval(SQL.count, *asked, COUNTED_MAX)

    async def tidy(self) -> None:
        """Shortens queues that broadcasts have filled, and forgets what ended long ago."""
        if self._may_be_full:
            self._may_be_full = False
            try:
                self._may_be_full = await self._shorten()
            except BaseException:
                self._may_be_full = True
                raise
        async with storage_errors():
            await self._pool.execute(SQL.forget, self._clock() - KEPT_MS)

    async def _shorten(self) -> bool:
        """Shortens what is too long, and whether there may be more of it."""
        async with transaction(self._pool) as connection:
            now_ms = self._clock()
            full = await connection.fetch(SQL.full, LIVE_MAX, now_ms, _FULL_MAX)
            await self._trim(connection, [row["account"] for row in full], now_ms)
        return len(full) == _FULL_MAX or self._may_be_full

    async def _trim(self, connection: Connection, accounts: Sequence[int], now_ms: int) -> None:
        """Shortens queues."""
        ended = await connection.fetch(SQL.trim, list(accounts), now_ms, LIVE_MAX)
        self.given_way += len(ended)
