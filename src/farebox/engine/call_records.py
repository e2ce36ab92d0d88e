"""Call records of the hosted PBX: taking them in, and their history (pbx.md 3.10, 4.3, 4.4).

A record is known by tenant, uniqueid and sequence: the same again changes nothing, another one
under the same key replaces it, and a batch is taken whole or not at all. History is read in pages
by start and id; its days are those of each tenant's own zone.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from farebox.domain import wall_clocks
from farebox.domain.call_records import COST_MAX, COST_MIN, DISPOSITIONS, CallRecord, span
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine.operators import Operator
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_FIELDS: Final = CallRecord.__struct_fields__
_PLACE: Final = struct.Struct(">qq")
_SIGNATURE_BYTES: Final = 16

# Up to so many tenants are looked up one by one; more are read in order of time.
_TENANTS_FEW: Final = 32

Key = tuple[int, str, int]
# The first instant of each zone, and the one after the last.
Spans = dict[str, tuple[int, int]]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a history is asked for; what is None lets everything through."""

    start: date | None
    end: date | None
    tenant_code: str
    firstdst: list[str] | None
    dispositions: list[str] | None
    cost: tuple[Decimal | None, Decimal | None]


class Counts(NamedTuple):
    """What a batch did."""

    inserted: int
    updated: int
    unchanged: int


class CallRecords:
    """Keeps call records."""

    def __init__(self, pool: Pool, clock: Callable[[], int], days_max: int) -> None:
        self._pool = pool
        self._clock = clock
        self._days_max = days_max
        self._key = b""

    # History

    async def history(
        self, caller: Operator, search: Search, limit: int, cursor: str
    ) -> tuple[list[Any], str]:
        """A page of records with their tenants' codes and zones, and the cursor of the next."""
        async with storage_errors():
            tenants = await self._pool.fetch(
                SQL.visible, search.tenant_code, caller.is_admin, caller.id
            )
            if search.tenant_code and not tenants:
                raise NotFoundError("There is no such tenant")
            spans = self._spans(search, {row["time_zone"] for row in tenants})
            about = msgspec.json.encode([caller.id, search])
            after = await self._read_cursor(cursor, about)
            whose = [row for row in tenants if row["time_zone"] in spans]
            rows = await self._page(whose, spans, search, after, limit + 1)
        if len(rows) <= limit:
            return rows, ""
        last = rows[limit - 1]
        return rows[:limit], self._cursor(last["start_ms"], last["id"], about).decode()

    async def _page(
        self, whose: list[Any], spans: Spans, search: Search, after: tuple[int, int], most: int
    ) -> list[Any]:
        """The first calls of these tenants after a place."""
        zones = [row["time_zone"] for row in whose]
        # Of a few tenants the spans of each, of many those of the zones.
        is_many = len(whose) > _TENANTS_FEW and not search.firstdst
        zones = sorted(set(zones)) if is_many else zones
        from_ms, until_ms = ([spans[zone][end] for zone in zones] for end in (0, 1))
        least, greatest = search.cost
        arguments = [
            [row["id"] for row in whose], from_ms, until_ms,
            max(min(from_ms, default=0), after[0]), max(until_ms, default=0),
            search.dispositions or DISPOSITIONS,
            COST_MIN if least is None else least, COST_MAX if greatest is None else greatest,
            *after, most,
        ]  # fmt: skip
        if search.firstdst:
            numbers = sorted(set(search.firstdst))
            return list(await self._pool.fetch(SQL.history_of_numbers, *arguments, numbers))
        if is_many:
            return list(await self._pool.fetch(SQL.history_of_many, *arguments, zones))
        return list(await self._pool.fetch(SQL.history, *arguments))

    def _spans(self, search: Search, zones: set[str]) -> Spans:
        """The instants that are asked for in each zone; "today" is each zone's own."""
        found, is_backwards = {}, False
        for zone in zones or {"UTC"}:
            today = wall_clocks.day_of(self._clock(), zone)
            last = search.end or today
            first = search.start or last
            if last - first >= timedelta(days=self._days_max):
                raise InvalidError("Date Range Too Large.")
            if first <= last:
                found[zone] = span(first, last, zone)
            else:
                is_backwards = True
        if is_backwards and not found:
            raise InvalidError("Start Date After End Date.")
        return found

    async def _read_cursor(self, cursor: str, about: bytes) -> tuple[int, int]:
        self._key = self._key or await self._pool.fetchval(SQL.signing_key)
        if not cursor:
            return -(2**63), 0
        try:
            decoded = base64.b64decode(cursor, b"-_", validate=True)
            start_ms, number = _PLACE.unpack_from(decoded)
        except (binascii.Error, ValueError, struct.error):
            start_ms = number = 0
        if not hmac.compare_digest(self._cursor(start_ms, number, about), cursor.encode()):
            raise InvalidError("Invalid Parameter cursor.")
        return start_ms, number

    def _cursor(self, start_ms: int, number: int, about: bytes) -> bytes:
        place = _PLACE.pack(start_ms, number)
        signature = hmac.digest(self._key, place + about, hashlib.sha256)[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(place + signature)

    # Taking in

    async def zones(self, codes: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Tenants and their zones by code in small letters."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.by_codes, [code.lower() for code in codes])
        return {row["code"]: (row["id"], row["time_zone"]) for row in rows}

    async def take(self, records: Sequence[tuple[int, CallRecord]]) -> Counts:
        """Keeps a batch of records with the tenants they belong to."""
        final: dict[Key, CallRecord] = {}
        updated = unchanged = 0
        for tenant, record in records:
            key = (tenant, record.uniqueid, record.sequence)
            # What a batch says twice is as if it came in two batches.
            if key in final:
                unchanged += final[key] == record
                updated += final[key] != record
            final[key] = record
        async with transaction(self._pool) as connection:
            fresh, changed, same = await self._store(connection, final)
        return Counts(fresh, updated + changed, unchanged + same)

    async def _store(
        self, connection: Connection, records: dict[Key, CallRecord]
    ) -> tuple[int, int, int]:
        # In one order, or two batches at once could wait for each other.
        keys = sorted(records)
        claimed = await connection.fetch(
            SQL.claim, [key[0] for key in keys], [key[1] for key in keys],
            [key[2] for key in keys], [records[key].start_ms for key in keys],
        )  # fmt: skip
        known = [row for row in claimed if not row["is_new"]]
        stored = await connection.fetch(
            SQL.stored, [row["id"] for row in known], [row["start_ms"] for row in known]
        )
        former = {_key(row): CallRecord(**{name: row[name] for name in _FIELDS}) for row in stored}
        ids = {_key(row): row["id"] for row in claimed}
        fresh = [_key(row) for row in claimed if row["is_new"]]
        changed = [key for key in map(_key, known) if former.get(key) != records[key]]
        await connection.execute(
            SQL.remove, [ids[key] for key in changed],
            [former[key].start_ms for key in changed if key in former],
        )  # fmt: skip
        rows = [_row(ids[key], key, records[key]) for key in fresh + changed]
        await connection.execute(SQL.add, rows)
        await connection.execute(SQL.move_keys, [row for row in rows if _key(row) in former])
        return len(fresh), len(changed), len(known) - len(changed)


def _key(row: Any) -> Key:
    return row["tenant"], row["uniqueid"], row["sequence"]


def _row(number: int, key: Key, record: CallRecord) -> dict[str, Any]:
    return {"id": number, "tenant": key[0], **msgspec.structs.asdict(record)}
