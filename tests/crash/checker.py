"""Counts after the storm: what clients were told against what the database holds.

Every sentence it returns is a broken promise. It reads the tables directly, needs a quiet system
and changes nothing.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import asyncpg

from tests.crash.ledger import Attempt, Edit, Ledger
from tests.crash.load import World

REDEMPTIONS = """
select r.id, r.voucher, v.code, v.campaign, r.device, r.order_id, r.keyed, r.amount_off, r.state,
       r.period_seq, r.response, r.rollback_response
from voucher.redemption r join voucher.voucher v on v.id = r.voucher
"""
VOUCHERS = """
select v.id, v.code, v.campaign, v.count, v.amount, v.total, v.total_amount, v.period_seq,
       coalesce(v.value, c.voucher_value) as value,
       coalesce(v.redemption_limit, c.redemption_limit) as redemption_limit,
       coalesce(v.type, c.type) as type
from voucher.voucher v join voucher.campaign c on c.id = v.campaign
"""
HISTORY = "select voucher, action, success from voucher.history where action <> 0"
DONE, ROLLED_BACK, TOMBSTONE = range(3)
REDEEM, ROLLBACK = 1, 2


async def check(dsn: str, world: World, ledger: Ledger) -> list[str]:
    """All broken promises, none if all is well."""
    connection = await asyncpg.connect(dsn)
    try:
        redemptions = await connection.fetch(REDEMPTIONS)
        vouchers = await connection.fetch(VOUCHERS)
        history = await connection.fetch(HISTORY)
    finally:
        await connection.close()
    return [
        *ledger.complaints,
        *(f"{a.order} never got an answer" for a in ledger.attempts.values() if not a.answer),
        *_orders(redemptions, ledger),
        *_counters(redemptions, vouchers),
        *_limits(world, ledger, vouchers),
        *_history(redemptions, history),
        *_edits(world, ledger),
    ]


def _orders(redemptions: list[Any], ledger: Ledger) -> list[str]:
    """Acknowledged exactly once, with the very bytes; nothing that nobody was told of."""
    broken = []
    # A device's identity is its name behind "d:"; the machine's is its number.
    effects: dict[str, list[Any]] = {}
    stones: Counter[str] = Counter()
    for row in redemptions:
        if row["state"] == TOMBSTONE:
            stones[row["order_id"]] += 1
        else:
            effects.setdefault(row["order_id"], []).append(row)
    for attempt in ledger.attempts.values():
        rows = effects.pop(attempt.order, [])
        broken += _order(attempt, rows, stones[attempt.order])
    return broken + [f"{order} took value and nobody was told" for order in effects]


def _order(attempt: Attempt, rows: list[Any], stones: int) -> list[str]:
    order = attempt.order
    if len(rows) > 1:
        return [f"{order} took value {len(rows)} times"]
    if not attempt.redeemed:
        return [f"{order} was refused ({attempt.reason}) but took value"] if rows else []
    if not rows:
        return [f"{order} was acknowledged and is lost"]
    row = rows[0]
    broken = []
    if row["response"].encode() != attempt.answer:
        broken.append(f"{order}: stored {row['response']!r}, told {attempt.answer!r}")
    if row["amount_off"] != attempt.told["discount"]["amountOff"]:
        broken.append(f"{order}: took {row['amount_off']}, told {attempt.answer!r}")
    if attempt.rolled_back and row["state"] != ROLLED_BACK:
        broken.append(f"the rollback of {order} is lost")
    if row["state"] == ROLLED_BACK and not attempt.rolled_back:
        broken.append(f"{order} was rolled back and nobody was told")
    if attempt.rolled_back and row["rollback_response"].encode() != attempt.rollback:
        broken.append(f"the rollback of {order} was answered otherwise than stored")
    if stones:
        broken.append(f"{order} was redeemed and has {stones} tombstones")
    return broken


def _counters(redemptions: list[Any], vouchers: list[Any]) -> list[str]:
    """Counters are sums over redemption rows, of the whole life and of the current period."""
    life: dict[int, list[int]] = {}
    period: dict[tuple[int, int], list[int]] = {}
    for row in redemptions:
        if row["state"] == DONE:
            life.setdefault(row["voucher"], []).append(row["amount_off"])
            period.setdefault((row["voucher"], row["period_seq"]), []).append(row["amount_off"])
    broken = []
    for row in vouchers:
        all_of, current = life.get(row["id"], []), period.get((row["id"], row["period_seq"]), [])
        expected = (len(current), sum(current), len(all_of), sum(all_of))
        stored = (row["count"], row["amount"], row["total"], row["total_amount"])
        if expected != stored:
            broken.append(f"{row['code']}: counters {stored}, redemptions say {expected}")
    return broken


def _limits(world: World, ledger: Ledger, vouchers: list[Any]) -> list[str]:
    """No limit passed, no balance below zero; and nobody was refused while there was room."""
    broken = []
    given_back = {a.code for a in ledger.attempts.values() if a.rolled_back}
    refused = {
        a.code for a in ledger.attempts.values() if a.reason == "redemption_limit_reached"
    } - given_back
    for row in vouchers:
        limit = row["redemption_limit"]
        if limit and row["count"] > limit:
            broken.append(f"{row['code']}: {row['count']} redemptions, limit {limit}")
        if row["type"] == "gift" and row["amount"] > row["value"]:
            broken.append(f"{row['code']}: {row['amount']} taken of {row['value']}")
        if row["code"] in refused and limit and row["count"] < limit:
            broken.append(f"{row['code']}: refused at {row['count']} of {limit}")
    return broken


def _history(redemptions: list[Any], history: list[Any]) -> list[str]:
    """P15: rollbacks in the history are the rolled-back rows; a redeem's success is its row."""
    told: Counter[int] = Counter()
    wrong = 0
    for row in history:
        told[row["voucher"]] += row["action"] == ROLLBACK and row["success"]
        wrong += row["action"] == REDEEM and row["success"]
    stored: Counter[int] = Counter(
        row["voucher"] for row in redemptions if row["state"] == ROLLED_BACK
    )
    broken = [f"{wrong} successful redeems in the history beside their rows"] if wrong else []
    return broken + [
        f"voucher {number}: {told[number]} rollbacks in the history, {stored[number]} rows"
        for number in told.keys() | stored.keys()
        if told[number] != stored[number]
    ]


def _edits(world: World, ledger: Ledger) -> list[str]:
    """An acknowledged switch decides every call that was sent after it and before the next."""
    edits = [e for e in ledger.edits if e.campaign == world.edited_campaign]
    judged = [pair for pair in pairwise(edits) if not _may_be_overtaken(pair[0], edits, ledger)]
    broken = []
    for attempt in ledger.attempts.values():
        if attempt.code not in world.edited or not attempt.answer:
            continue
        for edit, after in judged:
            status = edit.change["status"]
            if edit.acked_at <= attempt.sent_at and attempt.answered_at <= after.sent_at:
                off = attempt.reason == "campaign_not_active"
                if off != (status == "inactive") and attempt.reason != "order_rolled_back":
                    broken.append(f"{attempt} was answered while {edit}, before {after}")
    return broken


def _may_be_overtaken(edit: Edit, edits: list[Edit], ledger: Ledger) -> bool:
    """Whether an earlier switch to the other side could have come after this one.

    A living server may finish what its client has given up at any later time. A killed one cannot:
    its edit would have to hold the campaign's lock already, and then this one waited for it.
    """
    return any(
        earlier.given_up_at
        and earlier.sent_at < edit.sent_at
        and earlier.change != edit.change
        and not any(earlier.given_up_at < killed_at < edit.sent_at for killed_at in ledger.kills)
        for earlier in edits
    )


def table(rows: dict[str, object]) -> str:
    """Two aligned columns."""
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items())
