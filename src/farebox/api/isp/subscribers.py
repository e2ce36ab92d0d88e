"""Subscribers, read (isp.md E4, E6 to E9, E26, E41)."""

from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, data
from farebox.api.isp.kinds import DAY, ID, PHONE, choice, text
from farebox.api.isp.listing import BARE, PAGING, Fetch, listed
from farebox.api.isp.wire import (
    U4,
    U8,
    U41,
    Data,
    Found,
    Presence,
    user,
    users,
)
from farebox.domain import wall_clocks
from farebox.domain.errors import InvalidError
from farebox.engine.subscribers import STATUSES

_USERS: Final = users("ListedUser", U8)
_PHONED: Final = (
    Argument("phone", PHONE),
    Argument("status", choice(*STATUSES), required=False),
    *PAGING,
)


async def get_users_by_date(call: Call) -> Answer:
    """Those created or modified on some days."""
    days = (call["fromDate"], call["toDate"])
    if days[0] > days[1]:
        raise InvalidError("fromDate must not be after toDate", "invalid_argument")

    async def fetch(after: int, most: int) -> Any:
        subscribers = call.services.provider.subscribers
        return await subscribers.dated(call.account, days, call["basedOn"], after, most)

    answer: Answer = await listed(call, fetch, lambda row: user(row, U4))
    return answer


async def get_all_user_ids(call: Call) -> Answer:
    """All ids, as a bare list."""

    async def fetch(after: int, most: int) -> Any:
        return await call.services.provider.subscribers.ids(call.account.id, after, most)

    answer: Answer = await listed(call, fetch, lambda row: str(row["id"]), between=BARE)
    return answer


def _phoned(call: Call) -> Fetch:
    async def fetch(after: int, most: int) -> Any:
        return await call.services.provider.subscribers.phoned(
            [call.account.id], call["phone"], call["status"], after, most
        )

    return fetch


async def get_users_by_phone(call: Call) -> Answer:
    """The ids of those with a number, with commas between them."""
    # Ids are JSON as they are: what stands between the two ends is one text.
    ends = b'{"success":"', b'","errorCode":200}'
    answer: Answer = await listed(call, _phoned(call), lambda row: row["id"], between=ends)
    return answer


async def get_user_by_phone(call: Call) -> Answer:
    """Those with a number."""
    answer: Answer = await listed(call, _phoned(call), lambda row: user(row, U8))
    return answer


async def get_user_by_username(call: Call) -> Answer:
    """The one of exactly this name."""
    rows = await call.services.provider.subscribers.named(call.account.id, call["username"])
    return data([user(row, U8) for row in rows])


async def get_logofftime_onlinestatus(call: Call) -> Answer:
    """When a subscriber was last seen off, and whether he is on."""
    stopped_ms, is_online, zone = await call.services.provider.subscribers.presence(
        call.account.id, call["userId"]
    )
    # The one place where the document has the day first.
    told = stopped_ms and wall_clocks.local(stopped_ms, zone).strftime("%d-%m-%Y %H:%M:%S")
    return data({"lastLogOffTime": told, "online": "yes" if is_online else "no"})


async def get_basic_user_details(call: Call) -> Answer:
    """Everybody, with the basic details."""

    async def fetch(after: int, most: int) -> Any:
        return await call.services.provider.subscribers.all(call.account.id, after, most)

    answer: Answer = await listed(call, fetch, lambda row: user(row, U41))
    return answer


OPERATIONS: Final = (
    Operation(
        id="ISP-E4", method="GET", path="get_users_by_date/{fromDate}/{toDate}/{basedOn?}",
        scope="read", run=get_users_by_date, gives=users("DatedUser", U4),
        takes=(
            Argument("fromDate", DAY),
            Argument("toDate", DAY),
            Argument("basedOn", choice("created", "modified"), required=False, default="modified"),
            *PAGING,
        ),
    ),
    Operation(
        id="ISP-E6", method="GET", path="get_all_user_ids", scope="read", run=get_all_user_ids,
        gives=list[str], takes=PAGING,
    ),
    Operation(
        id="ISP-E7", method="POST", path="get_users_by_phone", scope="read",
        run=get_users_by_phone, gives=Found, takes=_PHONED,
    ),
    Operation(
        id="ISP-E8", method="GET", path="get_user_by_phone/{phone}/{status?}", scope="read",
        run=get_user_by_phone, gives=_USERS, takes=_PHONED,
    ),
    Operation(
        id="ISP-E9", method="GET", path="get_user_by_username/{username*}", scope="read",
        run=get_user_by_username, gives=_USERS,
        takes=(Argument("username", text(64)),),
    ),
    Operation(
        id="ISP-E26", method="GET", path="get_logofftime_onlinestatus/{userId}", scope="read",
        run=get_logofftime_onlinestatus, gives=Data[Presence], takes=(Argument("userId", ID),),
    ),
    Operation(
        id="ISP-E41", method="GET", path="get_basic_user_details", scope="read",
        run=get_basic_user_details, gives=users("BasicUser", U41), takes=PAGING,
    ),
)  # fmt: skip
