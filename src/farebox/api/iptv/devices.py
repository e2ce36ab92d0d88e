"""Routes for boxes, beyond the document: signing in, events, confirmation (iptv.md 3.13).

A box has a bearer token instead of a user. Refusals have HTTP statuses of their own in any mode.
"""

import re
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler, get, post
from litestar.params import FromPath

from farebox.api.iptv.arguments import MEDIA_TYPES, Given, read_body, shape
from farebox.api.iptv.blueprint import Call
from farebox.api.iptv.dialect import Answer, Failure, HTTPRequest, Success, invalid, told
from farebox.api.iptv.subjects import mac_given
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain import wall_clocks
from farebox.domain.errors import NotFoundError
from farebox.engine.box_polls import TOKEN_S, Poll, SignIn

POLL_S: Final = 120
_DEVICE_ID: Final = re.compile(r"[0-9A-Za-z]{32,128}", re.ASCII)
_NAMES: Final = ("mac", "login", "password", "device_id", "sn", "stb_type", "version")
_TAKES: Final = dict.fromkeys(_NAMES, str)
_ASKS: Final = {
    "event_active_id": int, "init": int, "cur_play_type": int, "version": str, "wait": int,
}  # fmt: skip


class Token(msgspec.Struct):
    """What a box calls with."""

    token: str
    expires_in: int
    poll_interval: int


def _sign_in(call: Call, client: str) -> SignIn:
    """What a box says. Raises InvalidError."""
    given, mac = call.given, mac_given(call, "mac")
    login = given.text("login", 64).strip()
    if not mac and not login:
        raise invalid("Login required")
    device_id = given.text("device_id", 128)
    if not _DEVICE_ID.fullmatch(device_id):
        raise invalid("Not valid device_id")
    return SignIn(
        mac=mac, login=login, password=given.text("password", 128), device_id=device_id,
        sn=given.text("sn", 64), stb_type=given.text("stb_type", 64),
        version=given.text("version", 255), client=client,
    )  # fmt: skip


def _poll(request: HTTPRequest, client: str) -> Poll:
    query = Given(dict(request.query_params.items()))

    def number(name: str, most: int) -> int:
        return query.whole(name, 0, most) if query.values.get(name, "") != "" else 0

    return Poll(
        token=_token(request), client=client, shown=number("event_active_id", 10**18),
        is_playing=number("cur_play_type", 1000) > 0, version=query.text("version", 255),
        wait_s=number("wait", 25),
    )  # fmt: skip


def _token(request: HTTPRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _shown(row: Any, time_zone: str) -> dict[str, Any]:
    state = {
        "msgs": row["msgs"],
        "additional_services_on": str(int(row["additional_services_on"])),
        "status": int(row["status"]),
        "modules": {
            name: [one for one in row[name] or () if one] for name in ("disabled", "restricted")
        },
    }
    if row["event_id"] is None:
        return state
    flags = {name: int(row[name]) for name in ("need_confirm", "reboot_after_ok")}
    told = {"id": str(row["event_id"]), "event": row["event"], "msg": row["msg"]}
    return state | told | flags | {
        "auto_hide_timeout": row["auto_hide_timeout"],
        "param1": row["param1"],
        "send_time": wall_clocks.text(row["created_at_ms"], time_zone),
    }  # fmt: skip


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The three routes."""
    success: Any = Success
    spoken: dict[str, Any] = {"refused": Failure, "security": "box"}

    @post("/device/auth", **documented(
        "IPTV-DEV-AUTH", shape("BoxSignIn", _TAKES), success[Token], takes_as=MEDIA_TYPES,
        public=True, refused=Failure,
    ))  # fmt: skip
    async def auth(request: HTTPRequest) -> Answer:
        call = Call(services, (), Given(await read_body(request)))
        said = _sign_in(call, services.proxies.client(request.scope))
        return told(Token(await services.portal.polls.sign_in(said), TOKEN_S, POLL_S))

    @get("/device/events", **documented(
        "IPTV-DEV-EVENTS", None, success[dict[str, Any]], query=_ASKS, **spoken
    ))  # fmt: skip
    async def events(request: HTTPRequest) -> Answer:
        row = await services.portal.polls.poll(
            _poll(request, services.proxies.client(request.scope))
        )
        return told(_shown(row, services.portal.policy.time_zone))

    @post("/device/events/{event_id:str}/confirm", **documented(
        "IPTV-DEV-CONFIRM", None, success[bool], **spoken
    ))  # fmt: skip
    async def confirm(request: HTTPRequest, event_id: FromPath[str]) -> Answer:
        token = _token(request)
        await services.portal.polls.account_of(token)
        if not re.fullmatch(r"[1-9]\d{0,17}", event_id, re.ASCII):
            raise NotFoundError("Event not found")
        await services.portal.polls.confirm(token, int(event_id))
        return told(True)

    return [auth, events, confirm]
