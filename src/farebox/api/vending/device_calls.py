"""One device call from its bytes to its answer: the function behind the lane and behind the routes.

Reads the body, finds the device's facts, hands a `Call` to the desk. It knows nothing of ASGI or of
the framework, so that it can serve from wherever requests arrive.
"""

from typing import Final
from urllib.parse import unquote_to_bytes

from farebox.api.services import Services
from farebox.api.vending import wire_device as wire
from farebox.domain.codes import LENGTH_MAX, canonical
from farebox.domain.errors import ForbiddenError
from farebox.engine.access import Principal
from farebox.engine.calls import REDEEM, REFUND, ROLLBACK, UNLOCK, VALIDATE, Answer, Call
from farebox.engine.places import Facts

VERBS: Final = {
    "validate": VALIDATE,
    "redeem": REDEEM,
    "rollback": ROLLBACK,
    "unlock": UNLOCK,
}


class DeviceCalls:
    """Serves validate, redeem, rollback and unlock for any caller who may."""

    def __init__(self, services: Services) -> None:
        self._desk = services.desk
        self._places = services.places

    async def serve(self, op: int, code: bytes, caller: Principal, body: bytes) -> Answer:
        """The answer of one call; `code` as it stands in the path, percent-encoded.

        DomainError as documented: 400 with fields, 403, 429, 503.
        """
        _check_permission(caller, "voucher:redeem")
        told = wire.read(op, body)
        if told.force:
            _check_permission(caller, "voucher:write")
            if caller.kind != "user":
                raise ForbiddenError("Only a user may force a lock open")
        facts = self._places.known(caller, told.device_id)
        if facts is None:
            facts = await self._places.resolve(caller, told.device_id)
        guard = (
            f"{caller.kind}:{caller.id}"
            if caller.kind == "user"
            else f"device:{caller.id}:{facts.identity}"
        )
        code_key = canonical(unquote_to_bytes(code).decode("utf-8", "replace"))
        if not is_possible(code_key):
            # Such a code cannot exist, so there is nothing to ask the database.
            unknown: Answer = self._desk.unknown(op, guard)
            return unknown
        call = _call(op, code_key, caller, facts, guard, told)
        answer: Answer = await self._desk.submit(call)
        return answer

    async def refund(
        self, voucher_id: int, code_key: str, redemption: int, caller: Principal
    ) -> Answer:
        """Gives one redemption back, whatever its age (3, X)."""
        facts = await self._places.resolve(caller, f"{caller.kind}:{caller.id}")
        call = Call(
            REFUND,
            code_key,
            facts,
            caller.label,
            "{}",
            by_user=True,
            voucher_id=voucher_id,
            refund=redemption,
        )
        answer: Answer = await self._desk.submit(call)
        return answer


def is_possible(code_key: str) -> bool:
    """Whether any voucher could have this canonical code."""
    return (
        1 <= len(code_key) <= LENGTH_MAX
        and code_key.isascii()
        and code_key.isprintable()
        and " " not in code_key
    )


def _check_permission(caller: Principal, permission: str) -> None:
    if (
        caller.kind == "user"
        and caller.permissions is not None
        and permission not in caller.permissions
    ):
        raise ForbiddenError(f"This needs the permission {permission}")


def _call(
    op: int, code_key: str, caller: Principal, facts: Facts, guard: str, told: wire.DeviceBody
) -> Call:
    order = told.order
    demand = told.demand
    items = wire.items_of(told)
    return Call(
        op,
        code_key,
        facts,
        f"user:{caller.id}" if told.force else told.device_id,
        wire.encode_request(told).decode(),
        guard=guard,
        by_user=caller.kind == "user",
        campaign=told.campaign,
        voucher_id=None if told.voucher_id is None else int(told.voucher_id),
        order_id="" if order is None else order.id,
        fingerprint=wire.fingerprint(told, items) if op == REDEEM else 0,
        order_amount=0 if order is None else order.amount or 0,
        items=items,
        demand=-1 if demand is None or demand.amount is None else demand.amount,
        partial=demand is not None and bool(demand.partial),
        lock_ms=wire.lock_ms(told) if op == VALIDATE else 0,
        force=bool(told.force),
    )
