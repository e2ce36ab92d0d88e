"""Calls of the desk in the oracle's words, answers as the oracle gives them, rows to start from.

The same device, order and card go to the oracle and, through here, to a desk on real PostgreSQL.
Rows are inserted as a management call would leave them; edits go through the use-cases themselves.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import asyncpg

from farebox.domain import revisions
from farebox.domain.errors import DomainError, InvalidError
from farebox.domain.rules import Place
from farebox.engine import calls
from farebox.engine.calls import Call
from farebox.engine.places import Facts
from farebox.engine.redemption import Desk
from tests import oracle
from tests.oracle_desk import Answer, Campaign, Card, Device, Order, canonical

Outcome = calls.Answer | BaseException


def facts_of(device: Device) -> Facts:
    """The device as the desk is told about it."""
    place = Place(
        device.machine, device.hostname, device.location, device.external_ref, device.groups
    )
    return Facts(
        device.identity,
        place,
        scope=device.owners or frozenset(),
        disabled=frozenset(),
        machine_active=device.active,
        currency=device.currency,
    )


def _call(op: int, device: Device, code: str, **rest: Any) -> Call:
    request = json.dumps({"deviceId": device.name, "order": rest.get("order_id")})
    return Call(
        op,
        canonical(code),
        facts_of(device),
        device.name,
        request,
        # Every caller its own, so that guessing is never counted here.
        guard=f"user:{op}:{code}:{rest.get('order_id')}",
        by_user=device.user,
        **rest,
    )


def validate(
    device: Device, code: str, *, lock_ms: int = 0, demand: int | None = None,
    partial: bool = False, campaign: int | None = None, voucher: int | None = None,
) -> Call:  # fmt: skip
    return _call(
        calls.VALIDATE, device, code, lock_ms=lock_ms, demand=demand or -1, partial=partial,
        campaign=campaign, voucher_id=voucher,
    )  # fmt: skip


def redeem(
    device: Device, code: str, order: Order, *, demand: int | None = None,
    partial: bool = False, campaign: int | None = None, voucher: int | None = None,
) -> Call:  # fmt: skip
    # Equal exactly when the tuple of the rule is equal, which is all a fingerprint must be.
    fingerprint = crc32(repr((order.amount, order.items, demand, partial)).encode())
    return _call(
        calls.REDEEM, device, code, order_id=order.id, fingerprint=fingerprint,
        order_amount=order.amount, items=order.items, demand=demand or -1, partial=partial,
        campaign=campaign, voucher_id=voucher,
    )  # fmt: skip


def rollback(device: Device, code: str, order: str) -> Call:
    return _call(calls.ROLLBACK, device, code, order_id=order)


def unlock(device: Device, code: str, *, force: bool = False) -> Call:
    return _call(calls.UNLOCK, device, code, force=force)


async def ask(desk: Desk, *questions: Call) -> list[Outcome]:
    """Submits all calls at once, in order, and waits for every answer."""
    futures = [desk.submit(call) for call in questions]
    return await asyncio.gather(*futures, return_exceptions=True)


def answer_of(outcome: Outcome) -> Answer:
    """What the desk said, as the oracle says it; the number of the redemption aside."""
    if isinstance(outcome, InvalidError):
        return Answer(400, {"code": outcome.code})
    if isinstance(outcome, DomainError):
        return Answer(503, {"code": outcome.code})
    if isinstance(outcome, BaseException):
        raise outcome
    body = json.loads(outcome.body)
    body.pop("redemptionId", None)
    if outcome.status == 404:
        said = [name for name in ("valid", "redeemed", "rolledBack", "unlocked") if name in body]
        body = {"code": body["code"], **{name: body[name] for name in said}}
    return Answer(outcome.status, body, outcome.replayed)


# Rows to start from.


async def insert_campaign(connection: asyncpg.Connection, now: int, campaign: Campaign) -> None:
    """The campaign with its rules and its first calendar revision."""
    expires = oracle.expires_before(campaign.expires_on, campaign.zone)
    await connection.execute(
        """insert into voucher.campaign (id, owner, name, total_vouchers, type, voucher_value,
             redemption_limit, reset_frequency, expires_on, expires_before_ms, currency, time_zone,
             status, created_at_ms, updated_at_ms)
           values ($1, $2, 'test', 0, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)""",
        campaign.id, campaign.owner, campaign.type, campaign.value, campaign.limit,
        campaign.frequency, campaign.expires_on, expires if campaign.expires_on else None,
        campaign.currency, campaign.zone, campaign.status, now,
    )  # fmt: skip
    await connection.executemany(
        "insert into voucher.campaign_rule (campaign, field, value) values ($1, $2, $3)",
        [(campaign.id, *rule) for rule in campaign.rules],
    )
    first = revisions.first(campaign.frequency, campaign.zone, now)
    await connection.execute(
        """insert into voucher.calendar_revision (campaign, revision, frequency, zone,
             changed_at_ms, first_end_ms) values ($1, $2, $3, $4, $5, $6)""",
        campaign.id, first.revision, first.frequency, first.zone, first.changed_at_ms,
        first.first_end_ms,
    )  # fmt: skip


async def insert_voucher(connection: asyncpg.Connection, card: Card) -> None:
    """A voucher as it was created; what shares its code is raised, as creation demands."""
    state = card.state
    own: tuple[Any, ...] = (None,) * 7
    if not card.inherit:
        own = (
            "gift" if state.gift else "discount", state.value, state.limit, state.frequency,
            state.zone, card.expires_on, state.expires if card.expires_on else None,
        )  # fmt: skip
    rules = json.dumps([{"field": f, "value": v} for f, v in card.rules]) if card.rules else None
    revision = await connection.fetchval(
        "select calendar_revision from voucher.campaign where id = $1", card.campaign.id
    )
    await connection.execute(
        """insert into voucher.voucher (id, code_key, code, campaign, inherit, type, value,
             redemption_limit, reset_frequency, time_zone, expires_on, expires_before_ms, currency,
             prefix, initial_value, rules, period_end_ms, calendar_revision, created_at_ms,
             updated_at_ms)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '00000', $14, $15, $16,
                   $17, $18, $18)""",
        card.id, canonical(card.code), card.code, card.campaign.id, card.inherit, *own,
        card.campaign.currency, state.value, rules, state.period_end, revision, card.created_at,
    )  # fmt: skip
    await connection.execute(
        "update voucher.voucher set version = version + 1 where code_key = $1 and campaign <> $2",
        canonical(card.code),
        card.campaign.id,
    )


async def insert(connection: asyncpg.Connection, now: int, cards: Iterable[Card]) -> None:
    """Cards and their campaigns."""
    known: set[int] = set()
    for card in cards:
        if card.campaign.id not in known:
            known.add(card.campaign.id)
            await insert_campaign(connection, now, card.campaign)
        await insert_voucher(connection, card)
