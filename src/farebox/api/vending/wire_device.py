"""What crosses the wire at validate, redeem, rollback and unlock (vending-commerce.md 3.41, 3.42).

Bodies are decoded by a strict decoder first, which takes a microsecond and accepts what
well-behaved firmware sends; whatever it does not accept is read again leniently, member by member,
and either means something after all or gets all its errors named together. Unknown members are
ignored here: firmware may send more. Answers are the text that is stored with a redemption, byte
for byte.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Final

import msgspec

from farebox.api.vending.fields import Fields
from farebox.core import Outcome
from farebox.domain.errors import InvalidError
from farebox.engine.calls import REDEEM, ROLLBACK, UNLOCK, VALIDATE, Item

INT_MAX: Final = 2147483647
NAME_MAX: Final = 128
PRODUCT_MAX: Final = 64
ITEMS_MAX: Final = 100
QUANTITY_MAX: Final = 1_000_000
LOCK_SECONDS_MAX: Final = 3600

# The stable reason strings, by outcome; their order is the order of vending-commerce.md 4.5.
REASONS: Final = {int(outcome): outcome.name.lower() for outcome in Outcome} | {0: ""}


class Demand(msgspec.Struct, omit_defaults=True):
    """What a gift voucher is asked for."""

    amount: int | None = None
    partial: bool | None = None


class OrderItem(msgspec.Struct, rename={"product_id": "productId"}, omit_defaults=True):
    """One line of an order."""

    product_id: str
    quantity: int = 1
    price: int | None = None


class Order(msgspec.Struct, omit_defaults=True):
    """The order that a redemption belongs to."""

    id: str
    amount: int | None = None
    items: list[OrderItem] | None = None


class DeviceBody(
    msgspec.Struct,
    rename={"device_id": "deviceId", "lock_duration": "lockDuration", "voucher_id": "voucherId"},
    omit_defaults=True,
):
    """All members that the four calls recognise; each call looks at its own."""

    device_id: str
    order: Order | None = None
    demand: Demand | None = None
    lock_duration: int | float | None = None
    campaign: int | None = None
    voucher_id: str | None = None
    reason: str | None = None
    force: bool | None = None


class Discount(msgspec.Struct, rename={"amount_off": "amountOff"}):
    """What is taken off, in minor units."""

    type: str
    amount_off: int


class ValidFor(msgspec.Struct, rename={"products_reg_exp": "productsRegExp"}):
    """The products that a voucher may pay for."""

    products: dict[str, bool]
    products_reg_exp: str


class ValidateAnswer(msgspec.Struct, rename="camel"):
    """The answer of a validation, accepted or refused."""

    code: str
    campaign_type: str
    voucher_id: str
    valid: bool
    voucher_value: int
    discount: Discount
    valid_for: ValidFor
    reason: str


class RedeemAnswer(msgspec.Struct, rename="camel"):
    """The answer of a redeem; a redemption id only where value was taken."""

    code: str
    campaign_type: str
    voucher_id: str
    redeemed: bool
    reason: str
    discount: Discount
    voucher_value: int
    redemption_id: int | msgspec.UnsetType = msgspec.UNSET


class RollbackAnswer(msgspec.Struct, rename="camel"):
    """The answer of a rollback or a refund."""

    code: str
    voucher_id: str
    rolled_back: bool
    reason: str
    amount_returned: int
    voucher_value: int


class UnlockAnswer(msgspec.Struct, rename="camel"):
    """The answer of an unlock."""

    code: str
    voucher_id: str
    unlocked: bool


_strict = msgspec.json.Decoder(DeviceBody)
_loose = msgspec.json.Decoder()
encode_request = msgspec.json.Encoder().encode


def read(op: int, body: bytes) -> DeviceBody:
    """The body of a device call. InvalidError with every fault by its dotted name."""
    try:
        told = _strict.decode(body)
    except (ValueError, RecursionError):
        return _read_leniently(op, body)
    if _is_plain(op, told):
        return told
    return _read_leniently(op, body)


def _is_plain(op: int, told: DeviceBody) -> bool:
    """Whether a strictly decoded body needs no second look."""
    if not _is_name(told.device_id):
        return False
    if told.campaign is not None or told.voucher_id is not None or told.reason is not None:
        return False
    demand = told.demand
    if demand is not None and not (demand.amount is None or 1 <= demand.amount <= INT_MAX):
        return False
    if op == REDEEM:
        order = told.order
        return (
            order is not None
            and _is_name(order.id)
            and (order.amount is None or 0 <= order.amount <= INT_MAX)
            and not order.items
        )
    if op == VALIDATE:
        return told.lock_duration is None or 0 <= told.lock_duration <= LOCK_SECONDS_MAX
    return op == ROLLBACK and told.order is not None and _is_name(told.order.id)


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= NAME_MAX and text.isprintable() and text.strip() == text


def _read_leniently(op: int, body: bytes) -> DeviceBody:
    try:
        value = _loose.decode(body) if body else {}
    except (ValueError, RecursionError):
        raise InvalidError("The body is not valid JSON", "invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidError("The body must be an object")
    fields = Fields(value)
    told = DeviceBody(_name(fields, "deviceId"))
    told.campaign = fields.optional_integer("campaign", low=1, high=INT_MAX)
    voucher_id = fields.optional_integer("voucherId", low=1)
    told.voucher_id = None if voucher_id is None else str(voucher_id)
    if op in (REDEEM, VALIDATE):
        demand = fields.nested("demand")
        if demand is not None:
            amount = demand.optional_integer("amount", low=1, high=INT_MAX)
            told.demand = Demand(amount, demand.boolean("partial"))
    if op == VALIDATE:
        told.lock_duration = fields.number("lockDuration", low=0, high=LOCK_SECONDS_MAX)
    elif op == UNLOCK:
        told.force = fields.boolean("force")
    else:
        told.order = _order(fields, op)
    if op == ROLLBACK:
        told.reason = fields.optional_string("reason", high=255)
    fields.finish()
    return told


def _order(fields: Fields, op: int) -> Order | None:
    order = fields.nested("order", required=True)
    if order is None:
        return None
    told = Order(_name(order, "id"))
    if op == REDEEM:
        told.amount = order.optional_integer("amount", low=0, high=INT_MAX)
        items = [_item(item) for item in order.each("items", high=ITEMS_MAX) or ()]
        told.items = items or None
    return told


def _item(item: Fields) -> OrderItem:
    quantity = item.optional_integer("quantity", low=1, high=QUANTITY_MAX)
    return OrderItem(
        _name(item, "productId", PRODUCT_MAX),
        1 if quantity is None else quantity,
        item.optional_integer("price", low=0, high=INT_MAX),
    )


def _name(fields: Fields, name: str, high: int = NAME_MAX) -> str:
    """A text that a device may also send as a number."""
    return fields.string(name, high=high, lenient=True)


def lock_ms(told: DeviceBody) -> int:
    """The hold asked for in milliseconds, rounded up."""
    seconds = told.lock_duration
    # Binary fractions of a decimal are a hair off; a hair must not become a millisecond.
    return math.ceil(round(seconds * 1000, 6)) if seconds else 0


def items_of(told: DeviceBody) -> tuple[Item, ...]:
    """The order's lines as the desk takes them."""
    order = told.order
    if order is None or not order.items:
        return ()
    return tuple((item.product_id, item.quantity, item.price) for item in order.items)


def fingerprint(told: DeviceBody, items: tuple[Item, ...]) -> int:
    """What makes a repeated order the same order (4.4.3), as a signed 64-bit number."""
    amount = (told.order.amount if told.order else None) or 0
    demand = told.demand
    asked = (demand.amount, bool(demand.partial)) if demand else (None, False)
    text = repr((amount, items, *asked)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)


class VendingSpelling:
    """The desk's answers as this API writes them; codes hold no character that JSON escapes."""

    def reason(self, outcome: int) -> str:
        if outcome <= 0:
            return "not_locked" if outcome else "accepted"
        return REASONS[outcome]

    def validated(
        self, code: str, campaign_type: str, voucher_id: int, outcome: int, amount_off: int,
        voucher_value: int, valid_for: str,
    ) -> str:  # fmt: skip
        return (
            f'{{"code":"{code}","campaignType":"{campaign_type}","voucherId":"{voucher_id}",'
            f'"valid":{"false" if outcome else "true"},"voucherValue":{voucher_value},'
            f'"discount":{{"type":"cents","amountOff":{amount_off}}},"validFor":{valid_for},'
            f'"reason":"{REASONS[outcome]}"}}'
        )

    def redeemed(
        self, code: str, campaign_type: str, voucher_id: int, outcome: int, amount_off: int,
        voucher_value: int, redemption_id: int,
    ) -> str:  # fmt: skip
        named = f',"redemptionId":{redemption_id}' if redemption_id else ""
        return (
            f'{{"code":"{code}","campaignType":"{campaign_type}","voucherId":"{voucher_id}",'
            f'"redeemed":{"false" if outcome else "true"},"reason":"{REASONS[outcome]}",'
            f'"discount":{{"type":"cents","amountOff":{amount_off}}},'
            f'"voucherValue":{voucher_value}{named}}}'
        )

    def rolled_back(
        self, code: str, voucher_id: int, outcome: int, amount_returned: int, voucher_value: int
    ) -> str:
        return (
            f'{{"code":"{code}","voucherId":"{voucher_id}",'
            f'"rolledBack":{"false" if outcome else "true"},"reason":"{REASONS[outcome]}",'
            f'"amountReturned":{amount_returned},"voucherValue":{voucher_value}}}'
        )

    def unlocked(self, code: str, voucher_id: int, unlocked: bool) -> str:
        return (
            f'{{"code":"{code}","voucherId":"{voucher_id}",'
            f'"unlocked":{"true" if unlocked else "false"}}}'
        )

    def unknown(self, op: int) -> bytes:
        return _UNKNOWN.get(op, _NOT_FOUND)


_NOT_FOUND = b'{"message":"Voucher not found","code":"voucher_not_found"}'
_TAIL = b',"reason":"voucher_not_found"}'
_UNKNOWN: Final[Mapping[int, bytes]] = {
    VALIDATE: _NOT_FOUND[:-1] + b',"valid":false' + _TAIL,
    REDEEM: _NOT_FOUND[:-1] + b',"redeemed":false' + _TAIL,
    ROLLBACK: _NOT_FOUND[:-1] + b',"rolledBack":false' + _TAIL,
    UNLOCK: _NOT_FOUND[:-1] + b',"unlocked":false' + _TAIL,
}
