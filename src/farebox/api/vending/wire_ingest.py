"""What crosses the wire when devices report: the documented shapes of vending-platform.md 3.16.

The structs are strict: what they accept needs no second look at its types and ranges. What they do
not accept may still mean something; that is for `batches` to find out.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from farebox.api.vending.fields import INT32_MAX

RECORDS_MAX: Final = 500
REMOTE_MAX: Final = 2**53 - 1
PLU_MAX: Final = 999_999
PAYMENTS_MAX: Final = 16
DATA_BYTES_MAX: Final = 4096

_Remote = Annotated[int, Meta(ge=1, le=REMOTE_MAX)]
_Int = Annotated[int, Meta(ge=-INT32_MAX, le=INT32_MAX)]
_Epoch = Annotated[int, Meta(ge=0, le=10**11)]


class Told(msgspec.Struct, rename="camel", kw_only=True):
    """The members that all records have."""

    remote: _Remote
    occurred_at: str | None = None
    timestamp: _Epoch | None = None
    hostname: str | None = None


class PaymentTold(msgspec.Struct):
    """A payment as documented."""

    method: str
    price: _Int
    exclude: bool | Annotated[int, Meta(ge=0, le=1)] | None = None


class SaleTold(Told, kw_only=True):
    """A sale as documented."""

    price: _Int
    plu: Annotated[int, Meta(ge=0, le=PLU_MAX)] | None = None
    name: str | None = None
    internal_ref: str | None = None
    original_price: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None
    barcode: str | None = None
    token: str | None = None
    salestype: _Int | None = None
    pricelist: _Int | None = None
    usergroup: _Int | None = None
    payments: Annotated[list[PaymentTold], Meta(max_length=PAYMENTS_MAX)] | None = None


class LogTold(Told, kw_only=True):
    """A log as documented."""

    code: str
    type: _Int | None = None
    is_resolvable: bool | None = None
    state: str | None = None
    extra_data: str | dict[str, Any] | None = None


class EventTold(Told, kw_only=True):
    """An event as documented."""

    name: str
    value: Any


class SaleBatch(msgspec.Struct):
    """The body of a batch of sales."""

    transactions: list[SaleTold]


class LogBatch(msgspec.Struct):
    """The body of a batch of logs."""

    logs: list[LogTold]


class EventBatch(msgspec.Struct):
    """The body of a batch of events."""

    iotevents: list[EventTold]


class Rejected(msgspec.Struct):
    """A record that was not stored, by its place in the batch."""

    index: int
    remote: int | None
    reason: str


class BatchAnswer(msgspec.Struct):
    """What became of a batch; everything up to the cursor may be dropped by the device."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    cursor: int
