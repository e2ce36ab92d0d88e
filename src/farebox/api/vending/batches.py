"""Batches of devices, from bytes to records (vending-platform.md 3.16).

A batch is decoded by a strict decoder first, which takes a microsecond a record and accepts what
well-behaved firmware sends. If it does not accept the whole batch, every record is read again
leniently, member by member; what still means nothing becomes a `Fault` and the others go on.
Unknown members are ignored: firmware may send more. A batch as a whole is refused only when it is
no batch, empty, too long, or its numbers do not ascend.
"""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, Final, Generic, TypeVar

import msgspec

from farebox.api.vending.fields import INT32_MAX, Fields
from farebox.api.vending.wire_ingest import (
    DATA_BYTES_MAX,
    PAYMENTS_MAX,
    PLU_MAX,
    RECORDS_MAX,
    REMOTE_MAX,
    EventBatch,
    EventTold,
    LogBatch,
    LogTold,
    SaleBatch,
    SaleTold,
)
from farebox.domain import instants
from farebox.domain.errors import InvalidError
from farebox.domain.records import PAYMENT_METHODS, Event, Log, Payment, Record, Sale
from farebox.engine.ingestion import Batch, Fault

R = TypeVar("R", bound=Record)
_loose = msgspec.json.Decoder()
_sorted = msgspec.json.Encoder(order="sorted").encode


class Members(Fields):
    """The members of one record."""

    def value(self, name: str) -> object:
        """The member as it was decoded, whatever it is; None when it is absent."""
        return self._body.get(name)


class Kind(Generic[R]):
    """One kind of record: the batch's member, its strict form, and how a record is read."""

    def __init__(
        self,
        member: str,
        body: type[msgspec.Struct],
        plain: Callable[[Any, int, bool], R | None],
        lenient: Callable[[Members, int, int, bool], R],
    ) -> None:
        self._member = member
        self._strict = msgspec.json.Decoder(body)
        self._plain = plain
        self._lenient = lenient

    def read(self, body: bytes, gateway: str) -> Batch[R]:
        """The records of a body, faulty ones among them. InvalidError for the whole."""
        batch = self._read_strictly(body) or self._read_leniently(body)
        _check_ascending(batch, gateway)
        return batch

    def _read_strictly(self, body: bytes) -> "Batch[R] | None":
        try:
            told = getattr(self._strict.decode(body), self._member)
        except (ValueError, RecursionError):
            return None
        if not 1 <= len(told) <= RECORDS_MAX:
            return None
        records: list[R | Fault] = []
        for one in told:
            moment = _moment(one.occurred_at, one.timestamp)
            record = None if moment is None else self._plain(one, *moment)
            if record is None or not (one.hostname is None or _is_plain(one.hostname)):
                return None
            records.append(record)
        return Batch(records, [one.hostname for one in told], lambda i: self._raw(body)[i])

    def _raw(self, body: bytes) -> list[bytes]:
        return [_sorted(item) for item in self._items(body)]

    def _items(self, body: bytes) -> Sequence[object]:
        try:
            value = _loose.decode(body)
        except (ValueError, RecursionError):
            raise InvalidError("The body is not valid JSON", "invalid_json") from None
        if not isinstance(value, dict):
            raise InvalidError("The body must be an object")
        fields = Fields(value)
        items = fields.array(self._member, low=1, high=RECORDS_MAX, required=True)
        fields.finish()
        return items or ()

    def _read_leniently(self, body: bytes) -> "Batch[R]":
        items = self._items(body)
        hostnames: list[str | None] = []
        records: list[R | Fault] = []
        for item in items:
            told = item if isinstance(item, dict) else {}
            named = told.get("hostname")
            # Whatever is no text names no machine.
            hostnames.append(named if named is None or isinstance(named, str) else "")
            records.append(self._record(told))
        return Batch(records, hostnames, lambda i: _sorted(items[i]))

    def _record(self, told: dict[str, object]) -> "R | Fault":
        fields = Members(told)
        remote = fields.integer("remote", low=1, high=REMOTE_MAX)
        moment = _read_moment(fields)
        record = self._lenient(fields, remote, *moment)
        try:
            fields.finish()
        except InvalidError as error:
            missing = error.code == "missing_parameters"
            return Fault(remote or None, "missing_field" if missing else "invalid_value")
        return record


def _check_ascending(batch: Batch[Any], gateway: str) -> None:
    last: dict[str, int] = {}
    for index, (record, hostname) in enumerate(zip(batch.records, batch.hostnames, strict=True)):
        name = (gateway if hostname is None else hostname).strip().lower()
        if record.remote is None:
            continue
        if record.remote <= last.get(name, 0):
            raise InvalidError(
                "The numbers of a machine's records must ascend within a batch", "not_ascending",
                {f"[{index}].remote": "must be greater than that of the record before"},
            )  # fmt: skip
        last[name] = record.remote


# Times


def _moment(occurred_at: str | None, timestamp: int | None) -> tuple[int, bool] | None:
    """When a record says that it happened, and whether that is a wall clock; None when it does not.

    The timestamp wins: it cannot be misread.
    """
    if timestamp is not None:
        return timestamp * 1000, False
    if occurred_at is None:
        return None
    try:
        moment = instants.parse(occurred_at)
    except InvalidError:
        return None
    if moment.local is not None:
        return instants.to_ms(moment.local.replace(tzinfo=UTC)), True
    if moment.instant is None or moment.instant.year < 1970:
        return None
    return instants.to_ms(moment.instant), False


def _read_moment(fields: Members) -> tuple[int, bool]:
    timestamp = fields.optional_integer("timestamp", low=0, high=10**11)
    occurred_at = fields.optional_string("occurredAt")
    moment = _moment(occurred_at, timestamp)
    if moment is not None:
        return moment
    if occurred_at is None and fields.value("timestamp") is None:
        fields.wrong("occurredAt", "or timestamp is required", "missing_parameters")
    else:
        fields.wrong("occurredAt", "is no date and time")
    return 0, False


# Records: first what needs no second look, then everything that can be understood


def _is_plain(text: str, high: int = 255) -> bool:
    return 1 <= len(text) <= high and text.isprintable() and text.strip() == text


def _are_plain(*texts: tuple[str | None, int]) -> bool:
    return all(text is None or _is_plain(text, high) for text, high in texts)


def _plain_sale(told: SaleTold, at_ms: int, is_local: bool) -> Sale | None:
    if not _are_plain(
        (told.name, 255), (told.internal_ref, 64), (told.barcode, 64), (told.token, 128)
    ):
        return None
    payments = [Payment(one.method, one.price, bool(one.exclude)) for one in told.payments or ()]
    if any(payment.method not in PAYMENT_METHODS for payment in payments):
        return None
    return Sale(
        remote=told.remote,
        at_ms=at_ms,
        is_local=is_local,
        price=told.price,
        plu=told.plu,
        name=told.name,
        internal_ref=told.internal_ref,
        original_price=told.original_price or 0,
        barcode=told.barcode,
        token=told.token,
        salestype=told.salestype or 0,
        pricelist=told.pricelist or 0,
        usergroup=told.usergroup or 0,
        payments=tuple(payments),
    )


def _lenient_sale(fields: Members, remote: int, at_ms: int, is_local: bool) -> Sale:
    def number(name: str) -> int:
        return fields.optional_integer(name, low=-INT32_MAX, high=INT32_MAX) or 0

    return Sale(
        remote=remote,
        at_ms=at_ms,
        is_local=is_local,
        price=fields.integer("price", low=-INT32_MAX, high=INT32_MAX),
        plu=fields.optional_integer("plu", low=0, high=PLU_MAX),
        name=fields.optional_string("name"),
        internal_ref=fields.optional_string("internalRef", high=64),
        original_price=fields.optional_integer("originalPrice", low=0, high=INT32_MAX) or 0,
        barcode=fields.optional_string("barcode", high=64),
        token=fields.optional_string("token", high=128),
        salestype=number("salestype"),
        pricelist=number("pricelist"),
        usergroup=number("usergroup"),
        payments=tuple(
            Payment(
                payment.enum("method", PAYMENT_METHODS, required=True) or "",
                payment.integer("price", low=-INT32_MAX, high=INT32_MAX),
                bool(payment.boolean("exclude")),
            )
            for payment in fields.each("payments", high=PAYMENTS_MAX) or ()
        ),
    )


def _plain_log(told: LogTold, at_ms: int, is_local: bool) -> Log | None:
    extra = told.extra_data
    if isinstance(extra, dict):
        extra = _sorted(extra).decode()
    if told.state not in (None, "set", "clear"):
        return None
    if not _are_plain((told.code, 64), (extra, DATA_BYTES_MAX)):
        return None
    return _log(
        told.remote, at_ms, is_local, told.code, 1 if told.type is None else told.type,
        bool(told.is_resolvable), told.state, extra,
    )  # fmt: skip


def _lenient_log(fields: Members, remote: int, at_ms: int, is_local: bool) -> Log:
    kind = fields.optional_integer("type", low=-INT32_MAX, high=INT32_MAX)
    return _log(
        remote, at_ms, is_local, fields.string("code", high=64), 1 if kind is None else kind,
        bool(fields.boolean("isResolvable")), fields.enum("state", ("set", "clear")),
        _extra_data(fields),
    )  # fmt: skip


def _log(
    remote: int, at_ms: int, is_local: bool, code: str, kind: int, is_resolvable: bool,
    state: str | None, extra_data: str | None,
) -> Log:  # fmt: skip
    return Log(
        remote=remote,
        at_ms=at_ms,
        is_local=is_local,
        code=code,
        type=kind,
        # What clears is over as soon as it happened.
        is_resolvable=is_resolvable and state != "clear",
        state=state,
        extra_data=extra_data,
    )


def _extra_data(fields: Members) -> str | None:
    if not fields.has("extraData") or fields.is_null("extraData"):
        return None
    inner = fields.value("extraData")
    if isinstance(inner, dict):
        return _bounded(fields, "extraData", inner)
    # Text is kept as it is.
    return fields.optional_string("extraData", high=DATA_BYTES_MAX, lines=True)


def _plain_event(told: EventTold, at_ms: int, is_local: bool) -> Event | None:
    value = _sorted(told.value)
    if not _is_plain(told.name) or len(value) > DATA_BYTES_MAX:
        return None
    return Event(
        remote=told.remote, at_ms=at_ms, is_local=is_local, name=told.name, value=value.decode()
    )


def _lenient_event(fields: Members, remote: int, at_ms: int, is_local: bool) -> Event:
    name = fields.string("name")
    value = ""
    if fields.has("value"):
        value = _bounded(fields, "value", fields.value("value"))
    else:
        fields.wrong("value", "is required", "missing_parameters")
    return Event(remote=remote, at_ms=at_ms, is_local=is_local, name=name, value=value)


def _bounded(fields: Fields, name: str, value: object) -> str:
    text = _sorted(value)
    if len(text) > DATA_BYTES_MAX:
        fields.wrong(name, f"must have at most {DATA_BYTES_MAX} bytes")
    return text.decode()


SALES: Final = Kind("transactions", SaleBatch, _plain_sale, _lenient_sale)
LOGS: Final = Kind("logs", LogBatch, _plain_log, _lenient_log)
EVENTS: Final = Kind("iotevents", EventBatch, _plain_event, _lenient_event)
