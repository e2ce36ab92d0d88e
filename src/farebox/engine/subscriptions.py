"""What an account may watch: channels chosen one by one, and packages of its tariff plan.

Only the optional packages of the current plan can be chosen (iptv.md 3.8, 3.11, 4.6, 4.7). A box is
told of every change, and of nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from farebox.domain.errors import NotFoundError
from farebox.engine.box_events import Event, Events
from farebox.engine.boxes import Boxes
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
HOUR_MS: Final = 3_600_000
CHANGED_TTL_S: Final = 240


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A change of packages, which are named by external id, or by id."""

    subscribed: tuple[str, ...] = ()
    subscribed_ids: tuple[str, ...] = ()
    unsubscribed: tuple[str, ...] = ()
    unsubscribed_ids: tuple[str, ...] = ()
    # Whether packages that are not named go.
    replaces: bool = False


class Subscriptions:
    """Use-cases of what is chosen."""

    def __init__(
        self, clock: Callable[[], int], boxes: Boxes, events: Events, changed_msg: str
    ) -> None:
        self._clock = clock
        self._boxes = boxes
        self._events = events
        self._changed_msg = changed_msg

    async def set_channels(
        self, connection: Connection, ids: Sequence[int], channels: Sequence[str]
    ) -> None:
        """Gives accounts a list of channels, in this order."""
        known = {row["id"] for row in await connection.fetch(SQL.hold_channels, list(channels))}
        wrong = [channel for channel in channels if channel not in known]
        if wrong:
            raise NotFoundError(f"One or more channels are incorrect: {','.join(wrong)}")
        numbers = [int(channel) for channel in channels]
        changed = [
            row["id"] for row in await connection.fetch(SQL.with_other_channels, ids, numbers)
        ]
        await connection.execute(SQL.remove_channels, changed)
        await connection.execute(SQL.add_channels, changed, numbers)
        await self._events.queue(connection, changed, Event(name="update_subscription"))

    async def choose(self, connection: Connection, ids: Sequence[int], choice: Choice) -> None:
        """Changes the packages of accounts, all of them or none."""
        await self._boxes.hold(connection, ids)
        changed = [id_ for id_ in ids if await self._choose(connection, id_, choice)]
        told = Event(
            name="send_msg",
            msg=self._changed_msg,
            is_message=True,
            reboot_after_ok=True,
            ttl_s=CHANGED_TTL_S,
        )
        await self._events.queue(connection, changed, told)

    async def _choose(self, connection: Connection, account: int, choice: Choice) -> bool:
        """Whether the packages are others now."""
        now_ms = self._clock()
        offered = await connection.fetch(SQL.offered, account, now_ms)
        wanted = _known(offered, choice.subscribed, choice.subscribed_ids)
        unwanted = _known(offered, choice.unsubscribed, choice.unsubscribed_ids)
        had = {row["id"] for row in offered if row["is_chosen"]}
        has = (
            set(wanted) - set(unwanted) if choice.replaces else (had | set(wanted)) - set(unwanted)
        )
        await connection.execute(SQL.remove_packages, account, sorted(has))
        for row in offered:
            # A rented package that is taken again runs from now on.
            if row["id"] in has and (row["id"] not in had or (row["id"] in wanted and row["rent"])):
                until_ms = now_ms + row["rent"] * HOUR_MS if row["rent"] else None
                await connection.execute(SQL.add_package, account, row["id"], now_ms, until_ms)
        return has != had


def _known(offered: Sequence[Any], names: Sequence[str], ids: Sequence[str]) -> list[int]:
    """The packages that are meant; NotFoundError names all that are not offered."""
    by_name = {row["external_id"].lower(): row["id"] for row in offered if row["external_id"]}
    by_id = {str(row["id"]): row["id"] for row in offered}
    given = [(name, by_name.get(name.lower(), by_id.get(name))) for name in names]
    given += [(id_, by_id.get(id_)) for id_ in ids]
    wrong = [name for name, found in given if found is None]
    if wrong:
        raise NotFoundError(f"One or more packages are incorrect: {','.join(wrong)}")
    return [found for _, found in given if found is not None]
