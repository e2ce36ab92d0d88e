"""Desks on a real database, with campaigns and vouchers put there directly."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from farebox.api.vending.wire_device import VendingSpelling
from farebox.domain import revisions, windows
from farebox.domain.codes import canonical
from farebox.domain.rules import Place
from farebox.engine.calls import REDEEM, REFUND, ROLLBACK, UNLOCK, VALIDATE, Answer, Call
from farebox.engine.places import Facts
from farebox.engine.redemption import Desk
from farebox.storage.pool import Pool
from farebox.storage.redemption import Ledger

OWNER = 2
_orders = itertools.count(1)


def facts(
    device: str = "m:80", *, scope: frozenset[int] = frozenset({OWNER}), **more: Any
) -> Facts:
    """A machine at location 2 that sees the campaigns of one owner."""
    place = Place(int(device[2:]), device, 2, None, frozenset()) if device[0] == "m" else Place()
    return Facts(device, place, scope=scope, disabled=frozenset(), **more)


@asynccontextmanager
async def open_desk(dsn: str, clock: Callable[[], int], **more: Any) -> AsyncIterator[Desk]:
    """A running desk."""
    desk = Desk(Ledger(dsn, statement_timeout_ms=2000), clock, VendingSpelling(), **more)
    await desk.start()
    try:
        yield desk
    finally:
        await desk.stop()


async def campaign(pool: Pool, now_ms: int, **columns: Any) -> int:
    """Inserts a campaign and its first calendar revision."""
    row = {
        "owner": OWNER, "name": "Test", "total_vouchers": 0, "type": "discount",
        "voucher_value": 100, "created_at_ms": now_ms, "updated_at_ms": now_ms, **columns,
    }  # fmt: skip
    names = ", ".join(row)
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    number: int = await pool.fetchval(
        f"insert into voucher.campaign ({names}) values ({marks}) returning id", *row.values()
    )
    frequency = row.get("reset_frequency", "never")
    zone = row.get("time_zone", "Europe/Amsterdam")
    first = revisions.first(frequency, zone, now_ms)
    await pool.execute(
        "insert into voucher.calendar_revision (campaign, revision, frequency, zone, changed_at_ms,"
        " first_end_ms) values ($1, $2, $3, $4, $5, $6)",
        number, first.revision, frequency, zone, now_ms, first.first_end_ms,
    )  # fmt: skip
    return number


async def voucher(pool: Pool, code: str, campaign_id: int, now_ms: int, **columns: Any) -> int:
    """Inserts a voucher of its own settings (discount 100, never reset) unless told otherwise."""
    row = {
        "code_key": canonical(code), "code": code, "campaign": campaign_id, "inherit": False,
        "type": "discount", "value": 100, "redemption_limit": 0, "reset_frequency": "never",
        "time_zone": "Europe/Amsterdam", "currency": "EUR", "prefix": "00000",
        "created_at_ms": now_ms, "updated_at_ms": now_ms, **columns,
    }  # fmt: skip
    if row["inherit"]:
        for name in ("type", "value", "redemption_limit", "reset_frequency", "time_zone"):
            row[name] = columns.get(name)
    row.setdefault("initial_value", row["value"] or 0)
    frequency, zone = row["reset_frequency"] or "never", row["time_zone"] or "Europe/Amsterdam"
    row.setdefault("period_end_ms", windows.window_end(frequency, zone, now_ms))
    names = ", ".join(row)
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    number: int = await pool.fetchval(
        f"insert into voucher.voucher ({names}) values ({marks}) returning id", *row.values()
    )
    return number


def redeem(code: str, order: str | None = None, demand: int = -1, **more: Any) -> Call:
    """A redeem by machine 80 unless told otherwise; a fresh order if none is named."""
    device = more.pop("device", "m:80")
    order_id = order or f"auto-{next(_orders)}"
    more.setdefault("fingerprint", demand)
    where = more.pop("facts", None) or facts(device)
    return Call(
        REDEEM, canonical(code), where, device, "{}", guard=device, order_id=order_id,
        demand=demand, **more,
    )  # fmt: skip


def validate(code: str, lock_ms: int = 0, **more: Any) -> Call:
    """A validation by machine 80 unless told otherwise."""
    device = more.pop("device", "m:80")
    where = more.pop("facts", None) or facts(device)
    return Call(
        VALIDATE, canonical(code), where, device, "{}", guard=device, lock_ms=lock_ms, **more
    )


def roll_back(code: str, order: str, **more: Any) -> Call:
    """A rollback of an order of machine 80 unless told otherwise."""
    device = more.pop("device", "m:80")
    return Call(
        ROLLBACK, canonical(code), facts(device), device, "{}", guard=device, order_id=order, **more
    )


def unlock(code: str, **more: Any) -> Call:
    """An unlock by machine 80 unless told otherwise."""
    device = more.pop("device", "m:80")
    return Call(UNLOCK, canonical(code), facts(device), device, "{}", guard=device, **more)


def refund(code: str, redemption: int, voucher_id: int) -> Call:
    """A refund by a person."""
    return Call(
        REFUND, canonical(code), facts("d:user"), "user:2", "{}", guard="user:2", by_user=True,
        voucher_id=voucher_id, refund=redemption,
    )  # fmt: skip


async def answer(desk: Desk, call: Call) -> Any:
    """The decoded body of the answer; 404 bodies too."""
    got: Answer = await desk.submit(call)
    return json.loads(got.body)
