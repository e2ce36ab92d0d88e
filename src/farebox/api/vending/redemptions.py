"""Validate, redeem, rollback and unlock as ordinary routes, and the refund by a person.

The lane answers the first four before they come here; these routes document them and serve whatever the
lane passes on (vending-commerce.md 3.41, 3.42, X).
"""

from collections.abc import Sequence
from typing import Any

from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.services import Services
from farebox.api.vending import dialect
from farebox.api.vending.device_calls import VERBS, DeviceCalls, is_possible
from farebox.domain.errors import NotFoundError
from farebox.engine.calls import Answer

_IDS = {
    "validate": "VEND-VOUCHER-VALIDATE",
    "redeem": "VEND-VOUCHER-REDEEM",
    "rollback": "VEND-X-VOUCHER-ROLLBACK",
    "unlock": "VEND-X-VOUCHER-UNLOCK",
}
_SUMMARIES = {
    "validate": "Would this voucher work at this device, and for how much? May take a lock.",
    "redeem": "Take the voucher's value for an order, exactly once.",
    "rollback": "Give an order back whose product was not delivered.",
    "unlock": "Release this device's lock.",
}


def routes(services: Services) -> Sequence[HTTPRouteHandler]:
    """The handlers of this noun."""
    return [*(_device_route(services, verb) for verb in VERBS), _refund_route(services)]


def _device_route(services: Services, verb: str) -> HTTPRouteHandler:
    op = VERBS[verb]

    @post(
        f"/voucher/{{code:str}}/{verb}",
        status_code=200,
        operation_id=_IDS[verb],
        summary=_SUMMARIES[verb],
        opt={"device": True},
        tags=["vouchers"],
    )
    async def handler(request: dialect.Call, code: str) -> dialect.Answer:
        raw = request.scope["raw_path"].rstrip(b"/").rsplit(b"/", 2)[-2]
        calls = DeviceCalls(services)
        answer = await calls.serve(op, raw, dialect.principal(request), await request.body())
        return _response(answer)

    return handler


def _refund_route(services: Services) -> HTTPRouteHandler:
    @post(
        "/voucher/{code:str}/redemptions/{redemption:str}/rollback",
        status_code=200,
        operation_id="VEND-X-REDEMPTION-ROLLBACK",
        summary="Refund one redemption, whatever its age.",
        tags=["vouchers"],
    )
    async def refund_redemption(
        request: dialect.Call, code: str, redemption: str
    ) -> dialect.Answer:
        caller = dialect.principal(request)
        voucher_id = dialect.path_id(code, INT64_MAX)
        redemption_id = dialect.path_id(redemption, INT64_MAX)
        code_key = await services.places.code_of(voucher_id)
        if code_key is None or not is_possible(code_key):
            raise NotFoundError("Not found")
        dialect.require(caller, "voucher:redeem")
        calls = DeviceCalls(services)
        answer = await calls.refund(voucher_id, code_key, redemption_id, caller)
        if answer.status == 404:
            raise NotFoundError("Not found")
        return _response(answer)

    return refund_redemption


INT64_MAX = 2**63 - 1


def _response(answer: Answer) -> dialect.Answer:
    headers: dict[str, Any] = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    return dialect.Answer(
        answer.body, status_code=answer.status, headers=headers, media_type=dialect.JSON
    )
