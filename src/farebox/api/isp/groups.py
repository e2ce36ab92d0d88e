"""Groups, and how many subscribers there are (isp.md E5, E29, E37).

Those that a subscriber may be moved to are the groups of his account that are open for moves and
whose profile is in use; his own is among them.
"""

from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, data, message
from farebox.api.isp.kinds import ACCOUNT, ID
from farebox.api.isp.wire import AllowedGroup, Counts, Group, Listed, Message

# Counts that are called in the document as they are here.
_COUNTED: Final = (
    "total", "active", "online", "expired", "blacklisted", "suspended", "blocked", "pending",
)  # fmt: skip


def _allowed(row: Any) -> dict[str, Any]:
    return {
        "Group_id": str(row["id"]),
        "Group_name": row["name"],
        "Profile_id": str(row["profile"]),
        "Profile_Name": row["profile_name"],
        "Active_Users": row["active"],
        "Total_Users": row["total"],
    }


async def get_group_details(call: Call) -> Answer:
    """All groups, or one."""
    groups, account, only = call.services.provider.groups, call.account.id, call["groupId"]
    rows = await groups.list(account) if only is None else [await groups.one(account, only)]
    return data([{**_allowed(row), "Online_Users": row["online"]} for row in rows])


async def get_allowed_groups(call: Call) -> Answer:
    """The groups that a subscriber may be moved to."""
    provider = call.services.provider
    await provider.subscribers.get(call.account.id, call["userId"])
    rows = await provider.groups.list(call.account.id)
    return data([_allowed(row) for row in rows if row["is_allowed"]])


async def get_users_count(call: Call) -> Answer:
    """How many subscribers an account has, by status."""
    provider = call.services.provider
    account = await provider.credentials.account(call.caller, call["accountId"])
    found = await provider.subscribers.counts(account.id)
    counts = Counts(
        **{name: found[name] for name in _COUNTED}, expiringNextWeek=found["expiring"],
        newUsersLastWeek=found["fresh"], churned=found["terminated"],
        others=found["rejected"] + found["pending-approval"] + found["terminated"],
    )  # fmt: skip
    return message(msgspec.structs.asdict(counts))


OPERATIONS: Final = (
    Operation(
        id="ISP-E5", method="GET", path="get_group_details/{groupId?}", scope="read",
        run=get_group_details, gives=Listed[Group],
        takes=(Argument("groupId", ID, required=False),),
    ),
    Operation(
        id="ISP-E29", method="GET", path="get_allowed_groups/{userId}", scope="read",
        run=get_allowed_groups, gives=Listed[AllowedGroup], takes=(Argument("userId", ID),),
    ),
    Operation(
        id="ISP-E37", method="GET", path="get_users_count/{accountId?}", scope="read",
        run=get_users_count, gives=Message[Counts],
        takes=(Argument("accountId", ACCOUNT, required=False),),
    ),
)  # fmt: skip
