"""Collections: who is visited, what was taken, what was approved (isp.md E21 to E25, E27, E39).

Lists are grouped by area, those without one last; with `limit` and `afterId` a page is a run of
ids, grouped in itself. A collection needs no notes, although the document's table says so.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, message, message_only
from farebox.api.isp.kinds import ACCOUNT, DAY, ID, MONEY, NAME, NOTE, Kind, choice, digits, ids
from farebox.api.isp.listing import PAGING, listed_by_area
from farebox.api.isp.wire import Data, Message, MessageOnly
from farebox.domain import thousandths, wall_clocks
from farebox.domain.errors import InvalidError
from farebox.engine.collecting import CASH, EVERYWHERE, Payment


def _read_card(value: object) -> str:
    number: str = digits(12, 19).read(value)
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number))]
    if sum(one - 9 if one > 9 else one for one in doubled) % 10:
        raise ValueError("must be a card number; its check digit is wrong")
    return number


def _read_month(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"(0[1-9]|1[0-2])/(?:20)?([0-9]{2})", str(value).strip())
    if match is None:
        raise ValueError("must be a month such as 05/28 or 05/2028")
    return 2000 + int(match[2]), int(match[1])


def _person(row: Any) -> dict[str, Any]:
    return {
        "UserLocation": {
            "user_id": str(row["id"]),
            "latitude": row["latitude"],
            "longitude": row["longitude"],
            "account_id": row["account"],
        },
        "Contact": {
            "person_title": row["person_title"],
            "first_name": row["name"],
            "last_name": row["last_name"],
            "phone_phone_number": row["phone"],
            "email": row["email"],
            "street_addres1": row["address_line1"],
            "street_addres2": row["address_line2"],
        },
        "CollectionArea": {"area": row["area"]},
        "CollectionStreet": {"street": row["street"]},
        "CollectionBlock": {"block": row["block"]},
    }


async def get_collection_users_areawise(call: Call) -> Answer:
    """Those a collector collects from, by area."""
    collecting, wanted = call.services.provider.collecting, call["areaId"]
    areas = await collecting.areas(call.account.id, call["adminId"], wanted)
    asked = (call.account.id, call["adminId"], call["userWithBalance"] == "1")

    async def fetch(place: int, after: int, most: int) -> Any:
        return await collecting.assigned(*asked, place, after, most)

    def render(row: Any) -> dict[str, Any]:
        return {"0": {"balance": thousandths.optional_text(row["balance"])}, **_person(row)}

    answer: Answer = await listed_by_area(call, fetch, wanted or EVERYWHERE, areas, render)
    return answer


async def get_collection_approval_users(call: Call) -> Answer:
    """What waits for approval, by area."""
    days = (call["fromDate"], call["toDate"])
    if None not in days and days[0] > days[1]:
        raise InvalidError("fromDate must not be after toDate", "invalid_argument")
    collecting = call.services.provider.collecting
    areas = await collecting.areas(call.account.id, call["adminId"], None)
    asked = (call.account, days, call["adminId"])

    async def fetch(place: int, after: int, most: int) -> Any:
        return await collecting.pending(*asked, place, after, most)

    answer: Answer = await listed_by_area(
        call, fetch, EVERYWHERE, areas, _waiting, key=lambda row: int(row["collection"])
    )
    return answer


def _waiting(row: Any) -> dict[str, Any]:
    return {
        **_person(row),
        "PaymentCollectionMode": {
            "amount": thousandths.text(row["amount_thousandths"]),
            "create_datetime": wall_clocks.text(row["created_at_ms"], row["time_zone"]),
            "paymentcollectionId": str(row["collection"]),
        },
    }


async def collection_approval(call: Call) -> Answer:
    """Credits a collection, once."""
    await call.services.provider.collecting.approve(
        call.account.id, call["userId"], call["modelId"], call["amount"]
    )
    return message("Payment Approved")


async def collection_disapproval(call: Call) -> Answer:
    """Sets a collection aside."""
    await call.services.provider.collecting.disapprove(
        call.account.id, call["userId"], call["modelId"]
    )
    return message("Payment Disapproved")


async def collect_user_payment(call: Call) -> Answer:
    """Writes a visit down."""
    if call["statusOfCollection"] == CASH and not call["amount"]:
        raise InvalidError("amount must be more than 0", "invalid_argument")
    month = call["cardExpiration"]
    today = wall_clocks.day_of(call.now_ms, call.account.time_zone)
    if month is not None and month < (today.year, today.month):
        raise InvalidError("cardExpiration must not be past", "invalid_argument")
    payment = Payment(
        amount=call["amount"], outcome=call["statusOfCollection"], method=call["method"],
        bank=call["bank"], cheque_number=call["chequeNumber"], cheque_day=call["chequeDate"],
        card_last4=call["cardNumber"] and call["cardNumber"][-4:],
        card_expiration=month and f"{month[1]:02d}/{month[0]}", notes=call["notes"],
        admin=call["adminId"],
    )  # fmt: skip
    await call.services.provider.collecting.collect(call.account, call["userId"], payment)
    return message_only("Payment Collected Successfully")


async def assign_users_to_admin(call: Call) -> Answer:
    """Gives subscribers to a collector."""
    await call.services.provider.collecting.assign(call.account.id, call["userId"], call["adminId"])
    return message_only("User assigned to admin successfully")


async def payment_collection_request(call: Call) -> Answer:
    """A subscriber wants to be visited."""
    await call.services.provider.collecting.ask(
        call.account.id, call["userId"], call["bringChangeFor"]
    )
    return message("We will collect your payment")


def _is_cash(values: Mapping[str, Any]) -> bool:
    return bool(values["statusOfCollection"] == CASH)


def _is_cheque(values: Mapping[str, Any]) -> bool:
    return bool(values["method"] == "cheque")


def _is_card(values: Mapping[str, Any]) -> bool:
    return values["method"] in ("creditCard", "debitCard")


class Row(msgspec.Struct, omit_defaults=True):
    """A subscriber on a collector's list."""

    UserLocation: dict[str, str | None]
    Contact: dict[str, str]
    CollectionArea: dict[str, str | None]
    CollectionStreet: dict[str, str | None]
    CollectionBlock: dict[str, str | None]
    balance: dict[str, str | None] | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="0"
    )
    PaymentCollectionMode: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


_OWNED: Final = (Argument("userId", ID), Argument("modelId", ID))
_VISIT: Final = (
    Argument("userId", ID),
    Argument("amount", MONEY),
    Argument("statusOfCollection", choice(CASH, "notAvailable", "alreadyPaid")),
    Argument(
        "method", choice("cash", "cheque", "creditCard", "debitCard"), required=True, only=_is_cash
    ),
    Argument("bank", NAME, only=_is_cheque),
    Argument("chequeNumber", digits(1, 20), only=_is_cheque),
    Argument("chequeDate", DAY, only=_is_cheque),
    Argument("cardNumber", Kind(_read_card), only=_is_card),
    Argument("cardExpiration", Kind(_read_month), only=_is_card),
    Argument("notes", NOTE, required=False, default=""),
    Argument("adminId", ID, required=False),
)

OPERATIONS: Final = (
    Operation(
        id="ISP-E21", method="POST", path="get_collection_users_areawise", scope="collect",
        run=get_collection_users_areawise, gives=Data[list[list[Row]]],
        takes=(
            Argument("adminId", ID),
            Argument("areaId", ID, required=False),
            Argument("userWithBalance", choice("0", "1"), required=False),
            *PAGING,
        ),
    ),
    Operation(
        id="ISP-E22", method="POST", path="get_collection_approval_users", scope="collect",
        run=get_collection_approval_users, gives=Data[list[list[Row]]],
        takes=(
            Argument("fromDate", DAY, required=False),
            Argument("toDate", DAY, required=False),
            Argument("adminId", ID, required=False),
            *PAGING,
        ),
    ),
    Operation(
        id="ISP-E23", method="POST", path="collection_approval", scope="collect",
        run=collection_approval, gives=Message[str], repeatable=True,
        takes=(Argument("userId", ID), Argument("amount", MONEY), Argument("modelId", ID)),
    ),
    Operation(
        id="ISP-E24", method="POST", path="collection_disapproval", scope="collect",
        run=collection_disapproval, gives=Message[str], repeatable=True, takes=_OWNED,
    ),
    Operation(
        id="ISP-E25", method="POST", path="collect_user_payment", scope="collect",
        run=collect_user_payment, gives=MessageOnly, repeatable=True, takes=_VISIT,
    ),
    Operation(
        id="ISP-E27", method="POST", path="assign_users_to_admin", scope="collect",
        run=assign_users_to_admin, gives=MessageOnly,
        takes=(
            Argument("userId", ids(1000)),
            Argument("accountId", ACCOUNT),
            Argument("adminId", ID),
        ),
    ),
    Operation(
        id="ISP-E39", method="GET", path="payment_collection_request/{userId}/{bringChangeFor?}",
        scope="collect", run=payment_collection_request, gives=Message[str], second_method=True,
        repeatable=True,
        takes=(
            Argument("userId", ID),
            Argument(
                "bringChangeFor", choice("none", "500", "2000"), required=False, default="none"
            ),
        ),
    ),
)  # fmt: skip
