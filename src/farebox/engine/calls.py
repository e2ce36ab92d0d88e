"""What a device asks of the desk and what it gets back: calls, answers, and who spells them.

A call is complete when it arrives here: its code is canonical, its device resolved, its numbers
checked. The wire form of an answer belongs to the API family, so the desk is given a `Spelling`;
the stored answer of a redemption is exactly what the first caller got.
"""

import asyncio
from typing import Protocol

from farebox.engine.places import Facts

VALIDATE, REDEEM, ROLLBACK, UNLOCK, REFUND = range(5)
# Names in the history, by operation; a refund is a rollback by a person.
ACTIONS = (0, 1, 2, 3, 2)

Item = tuple[str, int, int | None]


class Answer:
    """Status and body as they leave; `replayed` marks the stored answer of an earlier execution."""

    __slots__ = ("body", "replayed", "status")

    def __init__(self, status: int, body: bytes, replayed: bool = False) -> None:
        self.status = status
        self.body = body
        self.replayed = replayed


class Call:
    """One request of a device, with everything a decision needs except the voucher.

    Money is in minor units, -1 stands for "not given"; `lock_ms` 0 asks for no hold.
    """

    __slots__ = (
        "blocked", "by_user", "campaign", "code_key", "demand", "device", "facts", "fingerprint",
        "force", "future", "guard", "items", "label", "lock_ms", "op", "order", "order_amount",
        "order_id", "partial", "refund", "request", "slots", "voucher_id",
    )  # fmt: skip

    future: "asyncio.Future[Answer]"

    def __init__(
        self,
        op: int,
        code_key: str,
        facts: Facts,
        label: str,
        request: str,
        *,
        guard: str = "",
        by_user: bool = False,
        campaign: int | None = None,
        voucher_id: int | None = None,
        order_id: str = "",
        fingerprint: int = 0,
        order_amount: int = 0,
        items: tuple[Item, ...] = (),
        demand: int = -1,
        partial: bool = False,
        lock_ms: int = 0,
        force: bool = False,
        refund: int = 0,
    ) -> None:
        self.op = op
        self.code_key = code_key
        self.facts = facts
        self.device = facts.identity
        self.label = label
        self.request = request
        self.guard = guard
        self.by_user = by_user
        self.campaign = campaign
        self.voucher_id = voucher_id
        self.order_id = order_id
        # The order's name among all: a device numbers its own, and may name one for several codes.
        self.order = (code_key, facts.identity, order_id)
        self.fingerprint = fingerprint
        self.order_amount = order_amount
        self.items = items
        self.demand = demand
        self.partial = partial
        self.lock_ms = lock_ms
        self.force = force
        self.refund = refund
        self.blocked = False
        # The candidates that this call may mean, found for the batch that decides it.
        self.slots: tuple[int, ...] = ()


class Spelling(Protocol):
    """How an API family writes the answers of the desk; every method returns the JSON text."""

    def validated(
        self, code: str, campaign_type: str, voucher_id: int, outcome: int, amount_off: int,
        voucher_value: int, valid_for: str,
    ) -> str: ...  # fmt: skip

    def redeemed(
        self, code: str, campaign_type: str, voucher_id: int, outcome: int, amount_off: int,
        voucher_value: int, redemption_id: int,
    ) -> str: ...  # fmt: skip

    def rolled_back(
        self, code: str, voucher_id: int, outcome: int, amount_returned: int, voucher_value: int
    ) -> str: ...

    def unlocked(self, code: str, voucher_id: int, unlocked: bool) -> str: ...

    def reason(self, outcome: int) -> str: ...

    def unknown(self, op: int) -> bytes: ...
