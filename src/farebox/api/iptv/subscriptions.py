"""Which channels a box has, and which packages an account has chosen (iptv.md 3.8, 3.11)."""

from typing import Any, Final

import msgspec

from farebox.api.iptv.blueprint import Call, Noun, Operation, streamed
from farebox.api.iptv.dialect import Answer, told
from farebox.api.iptv.showing import flag, ls_shown, ls_text
from farebox.api.iptv.subjects import all_boxes, some_boxes
from farebox.domain.errors import NotFoundError
from farebox.engine.box_events import Event
from farebox.engine.subscriptions import Choice
from farebox.storage.pool import Connection, transaction


class Watched(msgspec.Struct):
    """The channels of a box."""

    mac: str
    sub_ch: list[str]
    ls: int | str
    additional_services_on: str


class Chosen(msgspec.Struct):
    """The packages of a box."""

    mac: str
    subscribed: list[str]
    subscribed_id: list[str]


# Channels of a box


def _watched(row: Any) -> Watched:
    services = flag(row["additional_services_on"])
    return Watched(row["mac"], row["channels"], ls_shown(row["ls"]), services)


async def list_watched(call: Call) -> Answer:
    """Those of all boxes."""
    return await streamed(call, _watched)


async def get_watched(call: Call) -> Answer:
    """Those of some boxes."""
    async with call.services.pool.acquire() as connection:
        ids = await some_boxes(call, connection)
        rows = await call.portal.boxes.read(connection, ids)
    return told([_watched(row) for row in rows])


async def set_watched(call: Call) -> Answer:
    """Gives boxes a list of channels."""
    boxes, given = call.portal.boxes, call.given
    is_on = given.flag("additional_services_on") if "additional_services_on" in given else None
    async with transaction(call.services.pool) as connection:
        ids = await all_boxes(call, connection)
        await boxes.hold(connection, ids)
        if "sub_ch" in given:
            wanted = given.filled("sub_ch")
            await call.portal.subscriptions.set_channels(connection, ids, wanted)
        if is_on is not None:
            before = await boxes.read(connection, ids)
            changed = [row["id"] for row in before if row["additional_services_on"] != is_on]
            await boxes.change(connection, ids, {"additional_services_on": is_on})
            told_them = Event(name="additional_services_status", msg=flag(is_on))
            await call.portal.events.queue(connection, changed, told_them)
        rows = await boxes.read(connection, ids)
    shown = [
        {
            "sub_ch": row["channels"], "mac": row["mac"], "ls": ls_text(row["ls"]),
            "additional_services_on": flag(row["additional_services_on"]),
        }
        for row in rows
    ]  # fmt: skip
    return told(shown)


# Packages of an account


def _chosen(row: Any) -> Chosen:
    return Chosen(row["mac"], row["subscribed"], row["subscribed_ids"])


async def _account(call: Call, connection: Connection) -> list[int]:
    found = await call.portal.boxes.find(connection, call.ids, "number")
    if not found.ids:
        raise NotFoundError("Account not found")
    ids: list[int] = found.ids
    return ids


async def get_chosen(call: Call) -> Answer:
    """Those of the boxes of an account, or of all accounts."""
    if not call.ids:
        return await streamed(call, _chosen)
    async with call.services.pool.acquire() as connection:
        rows = await call.portal.boxes.read(connection, await _account(call, connection))
    return told([_chosen(row) for row in rows])


async def _choose(call: Call, choice: Choice) -> Answer:
    async with transaction(call.services.pool) as connection:
        ids = await _account(call, connection)
        await call.portal.subscriptions.choose(connection, ids, choice)
    return told(True)


async def change_chosen(call: Call) -> Answer:
    """Adds packages and takes packages away."""
    given = call.given
    choice = Choice(
        subscribed=given.filled("subscribed"),
        subscribed_ids=given.filled("subscribed_id"),
        unsubscribed=given.filled("unsubscribed"),
        unsubscribed_ids=given.filled("unsubscribed_id"),
    )
    return await _choose(call, choice)


async def replace_chosen(call: Call) -> Answer:
    """Leaves exactly the named packages."""
    given = call.given
    choice = Choice(
        subscribed=given.filled("subscribed"),
        subscribed_ids=given.filled("subscribed_id"),
        replaces=True,
    )
    return await _choose(call, choice)


async def delete_chosen(call: Call) -> Answer:
    """Leaves none."""
    return await _choose(call, Choice(replaces=True))


_ONE: Final[dict[str, Any]] = {"named": True, "most": 1}
_SUBSCRIBED: Final = {"subscribed": list[str], "subscribed_id": list[str]}
_UNSUBSCRIBED: Final = {"unsubscribed": list[str], "unsubscribed_id": list[str]}
NOUNS: Final = (
    Noun("itv_subscription", (
        Operation(
            id="IPTV-ITVSUB-LIST", method="GET", run=list_watched, gives=list[Watched],
            is_paged=True,
        ),
        Operation(
            id="IPTV-ITVSUB-GET", method="GET", run=get_watched, gives=list[Watched], named=True
        ),
        Operation(
            id="IPTV-ITVSUB-UPDATE", method="PUT", run=set_watched, gives=list[Watched],
            takes={"sub_ch": list[str], "additional_services_on": int | str}, named=True, least=1,
        ),
    )),
    Noun("account_subscription", (
        Operation(
            id="IPTV-ACCSUB-GET", method="GET", run=get_chosen, gives=list[Chosen], is_paged=True,
            **_ONE,
        ),
        Operation(
            id="IPTV-ACCSUB-UPDATE", method="PUT", run=change_chosen, least=1,
            takes={**_SUBSCRIBED, **_UNSUBSCRIBED}, **_ONE,
        ),
        Operation(
            id="IPTV-ACCSUB-REPLACE", method="POST", run=replace_chosen, least=1,
            takes=_SUBSCRIBED, **_ONE,
        ),
        Operation(
            id="IPTV-ACCSUB-DELETE", method="DELETE", run=delete_chosen, least=1, **_ONE
        ),
    )),
)  # fmt: skip
