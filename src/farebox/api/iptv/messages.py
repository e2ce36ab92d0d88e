"""Events for boxes: STB_MSG, SEND_EVENT, and modules that are shut (iptv.md 3.4 to 3.6)."""

import re
from typing import Any, Final

import msgspec

from farebox.api.iptv.arguments import Given
from farebox.api.iptv.blueprint import Call, Noun, Operation
from farebox.api.iptv.dialect import Answer, invalid, told
from farebox.api.iptv.subjects import all_boxes, some_boxes
from farebox.engine.box_events import KINDS, Event
from farebox.storage.pool import transaction

TTL_S_MAX: Final = 31_536_000
_MODULE: Final = re.compile(r"[a-z0-9_.]{0,64}", re.ASCII)


class Modules(msgspec.Struct):
    """What a box does not show, and what it shows shut."""

    disabled: list[str]
    restricted: list[str]


def _message(given: Given) -> str:
    msg = given.text("msg", 4000)
    if not msg:
        raise invalid("Empty msg")
    return msg


def _seconds(given: Given, name: str, most: int) -> int:
    """A time; nothing and 0 are the usual one."""
    return given.whole(name, 0, most) if given.values.get(name, "") != "" else 0


def event_of(given: Given) -> Event:
    """The event that a body describes. Raises InvalidError."""
    name = given.text("event", 255)
    if not name:
        raise invalid("Event required")
    kind = KINDS.get(name)
    if kind is None:
        raise invalid(f'Unknown event "{name}"')
    msg = param1 = ""
    is_reboot, hide_s = False, 0
    if kind.is_message:
        msg = _message(given)
    if name == "send_msg":
        is_reboot = "need_reboot" in given and given.flag("need_reboot")
        hide_s = _seconds(given, "auto_hide_timeout", 86_400)
    elif name == "send_msg_with_video":
        param1 = given.text("video", 2000)
    elif name in ("play_channel", "play_radio_channel"):
        msg = str(given.whole("channel", 1, 99_999))
    return Event(
        name=kind.delivered, msg=msg, param1=param1, is_message=kind.is_message,
        reboot_after_ok=is_reboot, auto_hide_timeout=hide_s,
        ttl_s=_seconds(given, "ttl", TTL_S_MAX),
    )  # fmt: skip


async def send_message(call: Call) -> Answer:
    """Shows a text on boxes until it is confirmed."""
    given = Given({**call.given.values, "event": "send_msg", "need_reboot": "0"})
    event = event_of(given)
    async with transaction(call.services.pool) as connection:
        await call.portal.events.queue(connection, await some_boxes(call, connection), event)
    return told(True)


async def send_event(call: Call) -> Answer:
    """Tells boxes something."""
    event = event_of(call.given)
    async with transaction(call.services.pool) as connection:
        await call.portal.events.queue(connection, await some_boxes(call, connection), event)
    return told(True)


async def send_to_all(call: Call) -> Answer:
    """Tells all boxes something."""
    await call.portal.events.broadcast(None, event_of(call.given))
    return told(True)


def _modules(row: Any) -> Modules:
    return Modules(row["disabled"] or [], row["restricted"] or [])


def _names(given: Given, name: str) -> list[str]:
    names = given.strings(name)
    if not all(_MODULE.fullmatch(one) for one in names):
        raise invalid(f"Not valid {name}")
    return names


async def set_modules(call: Call) -> Answer:
    """Replaces the lists that are given."""
    boxes, given = call.portal.boxes, call.given
    values = {name: _names(given, name) for name in ("restricted", "disabled") if name in given}
    async with transaction(call.services.pool) as connection:
        ids = await all_boxes(call, connection)
        await boxes.hold(connection, ids)
        before = await boxes.read(connection, ids)
        await boxes.change(connection, ids, values)
        if "restricted" in values:
            wanted = values["restricted"]
            changed = [row["id"] for row in before if (row["restricted"] or []) != wanted]
            await call.portal.events.queue(connection, changed, Event(name="update_modules"))
        rows = await boxes.read(connection, ids[:1])
    return told(_modules(rows[0]))


async def get_modules(call: Call) -> Answer:
    """The lists of one box."""
    async with call.services.pool.acquire() as connection:
        ids = await some_boxes(call, connection)
        if len(ids) > 1:
            raise invalid("Only one identifier allowed")
        rows = await call.portal.boxes.read(connection, ids)
    return told(_modules(rows[0]))


_MESSAGE: Final = {"msg": str, "ttl": int | str, "auto_hide_timeout": int | str}
_EVENT: Final = {
    "event": str, **_MESSAGE, "need_reboot": int | str, "video": str, "channel": int | str,
}  # fmt: skip
NOUNS: Final = (
    Noun("stb_msg", (
        Operation(
            id="IPTV-STBMSG-CREATE", method="POST", run=send_message, takes=_MESSAGE, named=True,
            least=1, is_strict=False,
        ),
    )),
    Noun("send_event", (
        Operation(
            id="IPTV-SENDEVENT-ALL", method="POST", run=send_to_all, takes=_EVENT, is_strict=False
        ),
        Operation(
            id="IPTV-SENDEVENT-CREATE", method="POST", run=send_event, takes=_EVENT, named=True,
            is_strict=False,
        ),
    )),
    Noun("stb_modules", (
        Operation(
            id="IPTV-STBMODULES-UPDATE", method="PUT", run=set_modules, gives=Modules,
            takes={"restricted": list[str], "disabled": list[str]}, named=True, least=1,
        ),
        Operation(
            id="IPTV-STBMODULES-GET", method="GET", run=get_modules, gives=Modules, named=True,
            least=1,
        ),
    )),
)  # fmt: skip
