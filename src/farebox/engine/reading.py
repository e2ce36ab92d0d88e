"""Brings vouchers onto the shelf, and finds out whether what is held is still true.

All candidates of a code are read together with the policy revisions of their campaigns, so that a
decision never mixes two states. It decides nothing and writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from farebox.engine.calls import VALIDATE, Call
from farebox.engine.shelf import Shelf, by_code
from farebox.engine.terms import Campaign
from farebox.storage.redemption import Ledger, NotWrittenError

ROUNDS_MAX = 5


class Reader:
    """Reads for one desk, over the desk's own connection."""

    def __init__(self, ledger: Ledger, shelf: Shelf) -> None:
        self._ledger = ledger
        self._shelf = shelf

    def wanted(self, calls: Sequence[Call]) -> tuple[set[str], dict[str, tuple[int, ...]]]:
        """(codes to read, candidates to compare by code); calls get those that they may mean.

        A redeem's copy is compared in its commit; a validation has none, so its copy is compared
        beforehand. An unknown code is always asked of the database, never answered from memory.
        """
        missing: set[str] = set()
        looked_at: dict[str, tuple[int, ...]] = {}
        shelf = self._shelf
        for call in calls:
            candidates = shelf.candidates(call.code_key)
            call.slots = shelf.meant(call, candidates)
            if not call.slots:
                missing.add(call.code_key)
            elif call.op == VALIDATE:
                looked_at[call.code_key] = candidates
        return missing, looked_at

    async def hold(
        self, calls: Sequence[Call], missing: set[str], looked_at: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Reads what is missing or has moved on; every call has its candidates afterwards."""
        if looked_at:
            missing = missing | await self._moved_on(looked_at)
        if missing:
            await self._read(sorted(missing))
            for call in calls:
                if call.code_key in missing:
                    call.slots = self._shelf.in_scope(call)

    async def put(self, code_keys: Iterable[str], rows: Sequence[Any]) -> bool:
        """Holds these rows. False if a campaign is newer than its vouchers' rows: read again."""
        campaigns = self._shelf.campaigns
        wanted = {
            row["campaign"]
            for row in rows
            if (known := campaigns.get(row["campaign"])) is None
            or known.revision != row["policy_revision"]
        }
        if wanted:
            for row in await self._ledger.read_campaigns(sorted(wanted)):
                self._shelf.adopt(Campaign(row))
        rows_of = dict(by_code(rows))
        fresh = True
        for key in code_keys:
            held = rows_of.get(key, [])
            if all(campaigns[row["campaign"]].revision == row["policy_revision"] for row in held):
                self._shelf.put(key, held)
            else:
                self._shelf.evict(key)
                fresh = False
        return fresh

    async def _read(self, code_keys: list[str]) -> None:
        for _ in range(ROUNDS_MAX):
            if await self.put(code_keys, await self._ledger.read_codes(code_keys)):
                return
        raise NotWrittenError("campaigns keep changing")

    async def _moved_on(self, slots: Mapping[str, tuple[int, ...]]) -> set[str]:
        """Those held codes whose candidates, versions or policies are no longer what we hold."""
        shelf, book = self._shelf, self._shelf.book
        vouchers: dict[int, int] = {}
        campaigns: dict[int, int] = {}
        for slot in chain.from_iterable(slots.values()):
            vouchers[book.voucher_id(slot)] = book.version(slot)
            campaign = shelf.terms[slot].campaign
            campaigns[campaign.id] = campaign.revision
        moved, edited = await self._ledger.moved_on(vouchers, campaigns)
        if not (moved or edited):
            return set()
        return {
            key
            for key, candidates in slots.items()
            for slot in candidates
            if book.voucher_id(slot) in moved or shelf.terms[slot].campaign.id in edited
        }
