"""Operator routes that are no declared resource (isp.md 4.9): all of them, and those of no other
module: passwords and statuses of subscribers, who wants to be visited, the audit log, and a
demonstration's simulators.
"""

from typing import Any, Final

from litestar.handlers import HTTPRouteHandler

from farebox.api.isp import authorizing, belongings, quotas, senders, zones
from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import Answer, Call, success
from farebox.api.isp.kinds import DAY, ID, NOTE, choice, text
from farebox.api.isp.listing import PAGING, listed
from farebox.api.isp.operating import maybe, operation, route
from farebox.api.services import Services
from farebox.domain import wall_clocks
from farebox.domain.errors import NotFoundError
from farebox.engine.collecting import span_of
from farebox.engine.subscribers import STATUSES
from farebox.outbound.simulators import BEHAVIOURS


async def set_password(call: Call) -> Answer:
    """Another password for a subscriber."""
    await call.services.provider.passwords.set(call.account.id, call["userId"], call["password"])
    return success()


async def set_status(call: Call) -> Answer:
    """Another status for a subscriber."""
    await call.services.provider.departures.turn(call.account.id, call["userId"], call["status"])
    return success()


async def list_requests(call: Call) -> Answer:
    """Who wants to be visited, by the subscriber's id."""
    span = span_of(call.account, (call["from"], call["to"]))

    async def fetch(after: int, most: int) -> Any:
        collecting = call.services.provider.collecting
        return await collecting.requests(call.account.id, call["userId"], span, after, most)

    def render(row: Any) -> dict[str, str]:
        return {
            "userId": str(row["id"]),
            "bringChangeFor": row["bring_change_for"],
            "createdAt": wall_clocks.text(row["created_at_ms"], call.account.time_zone),
        }

    answer: Answer = await listed(call, fetch, render)
    return answer


async def list_audit(call: Call) -> Answer:
    """Who did what, oldest first."""
    span = span_of(call.account, (call["from"], call["to"]))

    async def fetch(after: int, most: int) -> Any:
        audit = call.services.provider.audit
        return await audit.list(call.account.id, call["userId"], span, after, most)

    def render(row: Any) -> dict[str, str]:
        at = wall_clocks.text(row["created_at_ms"], call.account.time_zone)
        told = {name: row[name] for name in ("credential", "client", "operation", "target")}
        return {"id": str(row["id"]), "at": at, **told, "outcome": row["outcome"]}

    answer: Answer = await listed(call, fetch, render)
    return answer


async def set_behaviour(call: Call) -> Answer:
    """What a simulator of a demonstration does from now on."""
    simulators = call.services.provider.simulators
    if simulators is None:
        raise NotFoundError("There is no such operation", "unknown_operation")
    simulators.behaviour[call["name"]] = call["behaviour"]
    return success()


_USER: Final = Argument("userId", ID)
_TURNS: Final = choice(*(one for one in STATUSES if one not in ("deleted", "expired")))
_FILTERS: Final = (maybe("from", DAY), maybe("to", DAY), maybe("userId", ID), *PAGING)
OPERATIONS: Final = (
    operation("USER-PASSWORD", "PUT", "users/{userId}/password", set_password, _USER,
              Argument("password", text(128))),
    operation("USER-STATUS", "POST", "users/{userId}/status", set_status, _USER,
              Argument("status", _TURNS), maybe("reason", NOTE, "")),
    operation("REQUEST-LIST", "GET", "collection_requests", list_requests, *_FILTERS),
    operation("AUDIT-LIST", "GET", "audit", list_audit, *_FILTERS),
    operation("SIMULATOR-SET", "PUT", "simulators/{name}", set_behaviour,
              Argument("name", choice(*BEHAVIOURS)), Argument("behaviour", text(64))),
)  # fmt: skip


def routes(services: Services) -> list[HTTPRouteHandler]:
    """All of them."""
    nouns = (zones, senders, belongings, quotas, authorizing)
    declared = (*OPERATIONS, *(one for noun in nouns for one in noun.OPERATIONS))
    return [route(services, one) for one in declared]
