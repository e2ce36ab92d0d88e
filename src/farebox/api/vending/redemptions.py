"""Validate, redeem, rollback and unlock as ordinary routes, and the refund by a person.

The lane answers the first four before they come here; these routes document them and serve whatever
the lane passes on (vending-commerce.md 3.41, 3.42, X).
"""

from typing import Any, Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending import dialect
from farebox.api.vending import wire_device as wire
from farebox.api.vending.device_calls import VERBS, DeviceCalls, is_possible
from farebox.domain.errors import NotFoundError
from farebox.engine.calls import Answer

INT64_MAX: Final = 2**63 - 1
_OPERATIONS: Final[dict[str, tuple[str, str, Any]]] = {
    "validate": (
        "VEND-VOUCHER-VALIDATE",
        "Would this voucher work at this device, and for how much? May take a lock.",
        wire.ValidateAnswer,
    ),
    "redeem": (
        "VEND-VOUCHER-REDEEM",
        "Take the voucher's value for an order, exactly once.",
        wire.RedeemAnswer,
    ),
    "rollback": (
        "VEND-X-VOUCHER-ROLLBACK",
        "Give an order back whose product was not delivered.",
        wire.RollbackAnswer,
    ),
    "unlock": ("VEND-X-VOUCHER-UNLOCK", "Release this device's lock.", wire.UnlockAnswer),
}


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The handlers of this noun."""
    return [*(_device_route(services, verb) for verb in VERBS), _refund_route(services)]


def _device_route(services: Services, verb: str) -> HTTPRouteHandler:
    op = VERBS[verb]
    operation, summary, gives = _OPERATIONS[verb]

    @post(
        f"/voucher/{{voucher:str}}/{verb}",
        summary=summary,
        **documented(operation, wire.DeviceBody, gives, device=True),
    )
    async def handler(request: dialect.Call) -> dialect.Answer:
        code = request.scope["raw_path"].rstrip(b"/").rsplit(b"/", 2)[-2]
        calls = DeviceCalls(services)
        answer = await calls.serve(op, code, dialect.principal(request), await request.body())
        return _response(answer)

    return handler


def _refund_route(services: Services) -> HTTPRouteHandler:
    @post(
        "/voucher/{voucher:str}/redemptions/{redemption:str}/rollback",
        summary="Refund one redemption, whatever its age.",
        **documented("VEND-X-REDEMPTION-ROLLBACK", None, wire.RollbackAnswer),
    )
    async def refund_redemption(
        request: dialect.Call, voucher: FromPath[str], redemption: FromPath[str]
    ) -> dialect.Answer:
        caller = dialect.principal(request)
        dialect.require(caller, "voucher:redeem")
        voucher_id = dialect.path_id(voucher, INT64_MAX)
        redemption_id = dialect.path_id(redemption, INT64_MAX)
        code_key = await services.places.code_of(voucher_id)
        if code_key is None or not is_possible(code_key):
            raise NotFoundError("Not found")
        answer = await DeviceCalls(services).refund(voucher_id, code_key, redemption_id, caller)
        if answer.status == 404:
            raise NotFoundError("Not found")
        return _response(answer)

    return refund_redemption


def _response(answer: Answer) -> dialect.Answer:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    return dialect.Answer(
        answer.body, status_code=answer.status, headers=headers, media_type=dialect.JSON
    )
