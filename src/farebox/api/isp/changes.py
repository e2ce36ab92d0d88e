"""Subscribers, changed: moved, extended, released, deleted; and their passwords
(isp.md E10 to E12, E14, E34, E35).

Deleting is a GET in the document; POST does the same. A row of fixed addresses is named by its
index in E1, from 0.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, message
from farebox.api.isp.kinds import DAY, FLAG, ID, choice, whole
from farebox.api.isp.listing import MESSAGE, PAGING, listed
from farebox.api.isp.wire import Message
from farebox.domain import thousandths, wall_clocks
from farebox.domain.errors import InvalidError
from farebox.engine.moving import TYPES, Move


async def move_group(call: Call) -> Answer:
    """Moves a subscriber to another group, now or later."""
    move = Move(
        group=call["groupId"], type=call["type"], day=call["customDateTo"],
        clears_usage=call["clearUserDataUsage"], clears_policies=call["clearUserPolicies"],
        moves_billing=call["moveBilling"],
    )  # fmt: skip
    username = await call.services.provider.moves.move(call.account.id, call["userId"], move)
    return message(f"The User {username} Moved")


async def get_user_password(call: Call) -> Answer:
    """A subscriber's password in clear."""
    password = await call.services.provider.passwords.read(
        call.account.id, call["userId"], call.caller.token
    )
    return message({"password": password})


async def delete_user(call: Call) -> Answer:
    """Deletes a subscriber; his history stays."""
    await call.services.provider.departures.delete(
        call.account.id, call["userId"], clears=call["clear_unfinished_billing"]
    )
    return message("User deleted successfully")


async def add_grace_period(call: Call) -> Answer:
    """Extends a subscriber by some days."""
    number, days = call["userId"], call["days"]
    await call.services.provider.renewals.grace(call.account.id, number, days, call["expiryDate"])
    return message(f"Additional {days} days has been extended for this user{number}")


async def release_ip_mac(call: Call) -> Answer:
    """Releases a fixed address."""
    await call.services.provider.departures.release(
        call.account.id, call["userId"], call["whichIpMacRow"], call["toRemove"]
    )
    return message("The Static IP/MAC have been released")


async def get_renewal_details(call: Call) -> Answer:
    """The book of renewals."""
    days = (call["fromDate"], call["toDate"])
    if None not in days and days[0] > days[1]:
        raise InvalidError("fromDate must not be after toDate", "invalid_argument")

    async def fetch(after: int, most: int) -> Any:
        return await call.services.provider.renewals.list(
            call.account, call["userId"], days, after, most
        )

    def render(row: Any) -> dict[str, Any]:
        return {"RenewalDetails": _renewal(row)}

    answer: Answer = await listed(call, fetch, render, between=MESSAGE)
    return answer


def _renewal(row: Any) -> dict[str, str | None]:
    def text(name: str) -> str | None:
        return None if row[name] is None else str(row[name])

    return {
        "id": str(row["id"]),
        "user_id": str(row["subscriber"]),
        "account_id": row["account"],
        "admin_username": row["admin_username"],
        "renewal_days": row["renewal_days"],
        "renewal_amount": thousandths.optional_text(row["amount_thousandths"]),
        "plan_rate": thousandths.optional_text(row["plan_rate_thousandths"]),
        "tax_amount": thousandths.optional_text(row["tax_thousandths"]),
        "type": row["type"],
        "previous_group_id": text("previous_group"),
        "present_group_id": text("present_group"),
        "previous_plan_id": text("previous_plan"),
        "present_plan_id": text("present_plan"),
        "order_id": row["order_id"],
        "order_active_until": wall_clocks.optional_text(
            row["order_active_until_ms"], row["time_zone"]
        ),
        "date_created": wall_clocks.text(row["created_at_ms"], row["time_zone"]),
        "deleted": "0",
        "active_since": text("active_since"),
        "active_until": text("active_until"),
        "notes": row["notes"],
    }


def _is_custom(values: Mapping[str, Any]) -> bool:
    return bool(values["type"] == "customDate")


class Renewal(msgspec.Struct):
    """A line of the book."""

    RenewalDetails: dict[str, str | None]


class Password(msgspec.Struct):
    """A password in clear."""

    password: str


_USER: Final = Argument("userId", ID)
OPERATIONS: Final = (
    Operation(
        id="ISP-E10", method="POST", path="move_group", scope="write", run=move_group,
        gives=Message[str],
        takes=(
            _USER,
            Argument("groupId", ID),
            Argument("type", choice(*TYPES)),
            Argument("customDateTo", DAY, only=_is_custom),
            Argument("clearUserDataUsage", FLAG),
            Argument("clearUserPolicies", FLAG),
            Argument("moveBilling", FLAG),
        ),
    ),
    Operation(
        id="ISP-E11", method="GET", path="get_user_password/{user_id}", scope="secrets",
        run=get_user_password, gives=Message[Password], takes=(_USER,),
    ),
    Operation(
        id="ISP-E12", method="GET", path="delete_user/{user_id}/{clear_unfinished_billing?}",
        scope="write", run=delete_user, gives=Message[str], second_method=True,
        takes=(_USER, Argument("clear_unfinished_billing", FLAG, required=False, default=False)),
    ),
    Operation(
        id="ISP-E14", method="POST", path="add_grace_period", scope="write",
        run=add_grace_period, gives=Message[str], repeatable=True,
        takes=(
            _USER, Argument("days", whole(1, 365)), Argument("expiryDate", DAY, required=False)
        ),
    ),
    Operation(
        id="ISP-E34", method="POST", path="release_ip_mac", scope="write", run=release_ip_mac,
        gives=Message[str], repeatable=True,
        takes=(
            _USER,
            Argument("whichIpMacRow", whole(0, 10**9)),
            Argument("toRemove", choice("ip", "mac", "both"), required=False, default="both"),
        ),
    ),
    Operation(
        id="ISP-E35", method="POST", path="get_renewal_details", scope="read",
        run=get_renewal_details, gives=Message[list[Renewal]],
        takes=(
            Argument("userId", ID, required=False),
            Argument("fromDate", DAY, required=False),
            Argument("toDate", DAY, required=False),
            *PAGING,
        ),
    ),
)  # fmt: skip
