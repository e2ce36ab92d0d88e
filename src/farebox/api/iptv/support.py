"""What support looks at and mends: events of boxes, and which box an account has (iptv.md 3.14)."""

from typing import Any, Final

import msgspec
from litestar import delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.iptv.admin import PAGING, described, enter, listed, page_of
from farebox.api.iptv.arguments import Given, storable
from farebox.api.iptv.dialect import Answer, HTTPRequest, invalid, told
from farebox.api.services import Services
from farebox.domain import wall_clocks
from farebox.engine.box_events import STATES
from farebox.storage.pool import transaction

FILTERS: Final = {"account": str, "event": str, "state": str}


class Told(msgspec.Struct):
    """An event of a box; it is in one of four states."""

    id: int
    account: int
    mac: str
    login: str
    event: str
    msg: str
    param1: str
    need_confirm: int
    priority: int
    state: str
    created: str
    expires: str
    sent: str
    ended: str


def _told(row: Any, time_zone: str) -> Told:
    def date(name: str) -> str:
        return wall_clocks.optional_text(row[f"{name}_at_ms"], time_zone) or ""

    return Told(
        row["id"], row["account"], row["mac"], row["login"], row["event"], row["msg"],
        row["param1"], int(row["need_confirm"]), row["priority"], row["state"],
        date("created"), date("expires"), date("sent"), date("ended"),
    )  # fmt: skip


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Both routes."""
    portal = services.portal

    @get("/admin/events", **described("EVENT-LIST", list[Told], query={**PAGING, **FILTERS}))
    async def list_events(request: HTTPRequest) -> Answer:
        await enter(services, request)
        query = Given(dict(request.query_params.items()))
        event, state = query.text("event", 64) or None, query.text("state", 64) or None
        if state is not None and state not in STATES:
            raise invalid("Not valid state")
        accounts = await _accounts(services, query.text("account", 255).strip())
        rows, total = await portal.events.listed(accounts, event, state, *page_of(request))
        return listed([_told(row, portal.policy.time_zone) for row in rows], total)

    @delete("/admin/devices/{name:str}", **described("DEVICE-UNBIND", bool))
    async def unbind(request: HTTPRequest, name: FromPath[str]) -> Answer:
        await enter(services, request)
        async with transaction(services.pool) as connection:
            await portal.boxes.unbind(connection, storable(name))
        return told(True)

    return [list_events, unbind]


async def _accounts(services: Services, name: str) -> list[int] | None:
    """The accounts of an address or account number, else of a login; all for nothing."""
    if not name:
        return None
    boxes = services.portal.boxes
    async with services.pool.acquire() as connection:
        found = await boxes.find(connection, [name], "number")
        if not found.ids:
            found = await boxes.find(connection, [name], "login")
    ids: list[int] = found.ids
    return ids
