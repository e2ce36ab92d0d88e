"""Loads campaigns and vouchers from a file, in chunks of one transaction each.

A chunk is written whole or not at all, and what exists already (a campaign by name, a voucher by
campaign and code) is skipped, so a load that was interrupted is simply run again. A chunk with a
faulty row is not written and ends the load. Vouchers are added as any creation adds them: nothing
that decides on an equal code elsewhere can miss them (vending-commerce.md 4.14).
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from farebox.domain import codes, rules, windows
from farebox.domain.campaigns import (
    Campaign,
    CampaignDraft,
    check_ready,
    check_voucher_type,
    expiry_of,
)
from farebox.domain.errors import DomainError, InvalidError, NotFoundError
from farebox.engine.issuance import Issuance
from farebox.engine.loading_rows import CampaignRow, Fault, Read, VoucherRow, format_of, read_rows
from farebox.storage import campaigns, loading, vouchers
from farebox.storage.pool import Connection, Pool, transaction

CHUNK: Final = 50_000
FAULTS_MAX: Final = 20


class Loaded(msgspec.Struct):
    """What a load did; after a dry run, what it would have tried."""

    rows: int = 0
    campaigns: int = 0
    vouchers: int = 0
    skipped: int = 0


class FaultyRowsError(DomainError):
    """Rows that cannot be loaded; nothing of their chunk was written."""

    default_code = "faulty_rows"

    def __init__(self, faults: list[Fault], loaded: Loaded) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
        self.loaded = loaded


class Loader:
    """One load on behalf of a group: its campaigns, and those of the groups below, are in reach."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        group: int,
        *,
        dry_run: bool = False,
        chunk: int = CHUNK,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._group = group
        self._dry_run = dry_run
        self._chunk = chunk
        self._issuance = Issuance(pool, clock)
        self._groups: frozenset[int] = frozenset()
        self._currencies: frozenset[str] = frozenset()
        self._ids: dict[str, int] = {}
        # Campaigns that a dry run has read but not made.
        self._planned: set[str] = set()
        self._expiry = cache(expiry_of)
        self.loaded = Loaded()

    async def load(self, path: Path, progress: Callable[[int], None]) -> Loaded:
        """Loads a file. FaultyRowsError names what is wrong; `progress` hears the bytes read."""
        await self._prepare()
        kind = format_of(path)
        with path.open("rb") as raw, TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            for chunk in _chunks(read_rows(file, kind), self._chunk):
                await self._load_chunk(chunk)
                progress(raw.tell())
        return self.loaded

    async def _prepare(self) -> None:
        async with self._pool.acquire() as connection:
            self._groups = await loading.group_below(connection, self._group)
            self._currencies = await loading.known_currencies(connection)
        if not self._groups:
            raise NotFoundError(f"There is no user group {self._group}")

    async def _load_chunk(self, chunk: list[Read]) -> None:
        faults = [row for _, row in chunk if isinstance(row, Fault)]
        if faults:
            raise FaultyRowsError(faults[:FAULTS_MAX], self.loaded)
        for line, row in chunk:
            if isinstance(row, CampaignRow):
                await self._add_campaign(line, row)
        rows = [(line, row) for line, row in chunk if isinstance(row, VoucherRow)]
        if rows:
            await self._add_vouchers(rows)
        self.loaded.rows += len(chunk)

    async def _add_campaign(self, line: int, row: CampaignRow) -> None:
        draft = self._draft(line, row)
        async with self._pool.acquire() as connection:
            existing = await loading.find_by_name(connection, [row.name], self._groups)
        if existing or row.name in self._planned:
            self.loaded.skipped += 1
        elif self._dry_run:
            self._planned.add(row.name)
            self.loaded.campaigns += 1
        else:
            self._ids[row.name] = await self._issuance.create_campaign(self._group, draft)
            self.loaded.campaigns += 1

    def _draft(self, line: int, row: CampaignRow) -> CampaignDraft:
        if row.currency not in self._currencies:
            self._refuse(line, "currency", "a currency of ISO 4217", row.currency)
        expires_on, expires_before_ms = self._ends(line, row.expires_on, row.time_zone)
        return CampaignDraft(
            name=row.name,
            total_vouchers=row.total_vouchers,
            voucher_value=row.voucher_value,
            type=row.type,
            redemption_limit=row.redemption_limit,
            reset_frequency=row.reset_frequency,
            expires_on=expires_on,
            expires_before_ms=expires_before_ms,
            currency=row.currency,
            time_zone=row.time_zone,
            prefix=row.prefix,
            texts=(row.voucher_text1, row.voucher_text2, row.voucher_text3, row.voucher_text4),
            style=row.voucher_style,
            status=row.status,
            owner_data=row.owner_data,
        )

    async def _add_vouchers(self, rows: list[tuple[int, VoucherRow]]) -> None:
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await loading.take_time(connection)
            named = await self._campaigns_of(connection, rows)
            ends = cache(partial(_window_end, now_ms))
            staged = [self._staged(line, row, named[row.campaign], ends) for line, row in rows]
            if self._dry_run:
                self.loaded.vouchers += len(staged)
                return
            await vouchers.exclude_creations(connection)
            added = await loading.add(connection, staged, now_ms)
            # Last: whoever reads the campaign's row sees its vouchers too.
            for campaign, count in sorted(added.items()):
                await campaigns.add_to_total(connection, campaign, count, now_ms)
        self.loaded.vouchers += sum(added.values())
        self.loaded.skipped += len(staged) - sum(added.values())

    async def _campaigns_of(
        self, connection: Connection, rows: list[tuple[int, VoucherRow]]
    ) -> dict[int | str, Campaign]:
        """The campaigns that the rows name, kept from edits until the transaction ends."""
        first = {row.campaign: line for line, row in reversed(rows)}
        names = [n for n in first if isinstance(n, str) and not n.isdecimal()]
        wanted = {n: self._ids[n] for n in names if n in self._ids}
        for campaign, name in await loading.find_by_name(connection, names, self._groups):
            if wanted.setdefault(name, campaign) != campaign and name not in self._ids:
                self._refuse(first[name], "campaign", "a name that one campaign has", name)
        found: dict[int | str, Campaign] = {}
        # In the order of their ids, as everybody takes these locks; 0 stands for none.
        numbered = [(wanted.get(n, 0) if n in names else int(n), n) for n in first]
        for number, named in sorted(numbered, key=lambda pair: pair[0]):
            if named in self._planned:
                found[named] = _PLANNED
            elif number == 0:
                self._refuse(first[named], "campaign", "the name of an existing campaign", named)
            else:
                found[named] = await self._locked(connection, first[named], number)
        return found

    async def _locked(self, connection: Connection, line: int, number: int) -> Campaign:
        await campaigns.exclude_edits(connection, number)
        try:
            campaign = await campaigns.read(connection, number, self._groups)
            check_ready(campaign)
        except NotFoundError:
            self._refuse(line, "campaign", "the id of an existing campaign", number)
        except DomainError as error:
            self._refuse(line, "campaign", "a campaign that is complete", error.message)
        return campaign

    def _staged(self, line: int, row: VoucherRow, campaign: Campaign, ends: Any) -> Any:
        """The row as the columns of the stage."""
        own = row.type != "inherit"
        try:
            if campaign is not _PLANNED:
                check_voucher_type(campaign, row.type)
            stored_rules = _rules_text(row.validation_rules)
        except InvalidError as error:
            column, reason = next(iter(error.fields.items()))
            shown = row.type if column == "type" else "another value"
            self._refuse(line, column, f"a value that {reason}", shown)
        zone = row.time_zone if own else campaign.time_zone
        frequency = row.reset_frequency if own else campaign.reset_frequency
        expires_on, expires_before_ms = self._ends(line, row.expires_on, zone)
        return (
            campaign.id,
            codes.canonical(row.code),
            row.code,
            not own,
            row.type if own else None,
            row.value,
            row.redemption_limit if own else None,
            frequency if own else None,
            zone if own else None,
            expires_on,
            expires_before_ms,
            campaign.currency,
            row.prefix,
            campaign.voucher_value if row.value is None else row.value,
            row.status == "active",
            row.text1,
            row.text2,
            row.text3,
            row.text4,
            row.voucher_comments,
            stored_rules,
            row.redemption_count,
            row.amount_redeemed,
            _at_least(row.redemption_count, row.total_redemption_count),
            _at_least(row.amount_redeemed, row.total_amount_redeemed),
            ends(frequency, zone),
            campaign.calendar_revision,
        )

    def _ends(self, line: int, text: str | None, zone: str) -> tuple[str | None, int | None]:
        try:
            windows.zone(zone)
        except InvalidError:
            self._refuse(line, "timeZone", "an IANA time zone", zone)
        try:
            return self._expiry(text, zone)
        except InvalidError:
            self._refuse(line, "expiresOn", "a date like 2026-12-31 or 2026-12-31 18:00", text)

    def _refuse(self, line: int, column: str, expected: str, actual: object) -> NoReturn:
        raise FaultyRowsError([Fault(line, column, expected, repr(actual))], self.loaded)


# Stands for a campaign that a dry run would have made by now.
_PLANNED: Final = Campaign(
    id=0, owner=0, name="", type="dynamic", total_vouchers=0, voucher_value=0, redemption_limit=0,
    reset_frequency="never", expires_on=None, expires_before_ms=None, currency="", time_zone="UTC",
    prefix="", voucher_text1=None, voucher_text2=None, voucher_text3=None, voucher_text4=None,
    voucher_style=None, logo_image=None, status="active", wanted_status="active",
    calendar_revision=1,
)  # fmt: skip


def _chunks(rows: Iterator[Read], size: int) -> Iterator[list[Read]]:
    chunk: list[Read] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _window_end(now_ms: int, frequency: str, zone: str) -> int:
    return windows.window_end(frequency, zone, now_ms)


def _at_least(now: int, ever: int | None) -> int:
    return now if ever is None else ever


def _rules_text(raw: list[Any] | None) -> str | None:
    """Rules as they are stored: a JSON list, nothing where there are none."""
    checked = rules.check_rules(raw) if raw else []
    return msgspec.json.encode(checked).decode() if checked else None
