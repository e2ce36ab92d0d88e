"""Transaction profiles: how machines' payments are named and grouped (vending-platform.md 3.10).

A map says the type of a payment method where it is not the method's own name. Ingestion applies it
to each payment as it arrives; a change concerns later payments only.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import get, patch, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, arguments, shape
from farebox.api.vending.dialect import Answer, Call, principal, read_body, reply, require
from farebox.domain.errors import InvalidError
from farebox.domain.records import PAYMENT_METHODS as METHODS
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write

TYPES: Final = (*METHODS, "free", "other")
REPORT_RULES: Final = ("first_letter", "first_block")


class PaymentTypes(msgspec.Struct):
    """What a map may be made of, and what holds for methods that it leaves out."""

    paymentMethods: Sequence[str]  # noqa: N815 - documented spelling
    paymentTypes: Sequence[str]  # noqa: N815
    defaultMap: Mapping[str, str]  # noqa: N815


_PAYMENT_TYPES: Final = PaymentTypes(METHODS, TYPES, {method: method for method in METHODS})


async def _prepare(write: Write) -> None:
    pairs: dict[str, Any] = write.values.get("paymentTypesMap") or {}
    faults = {}
    for method, kind in pairs.items():
        if method not in METHODS:
            faults[f"paymentTypesMap.{method[:64]}"] = "is no payment method"
        elif kind not in TYPES:
            faults[f"paymentTypesMap.{method}"] = f"{str(kind)[:64]} is no payment type"
    if faults:
        first = next(iter(faults))
        raise InvalidError(f"{first} {faults[first]}", fields=faults)


TRANSACTIONPROFILE = Resource(
    name="transactionprofile",
    title="Transaction profile",
    table="vending.transactionprofile",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("reportRule", write="OO", column="report_rule", default="first_letter",
              choices=REPORT_RULES),
        Field("paymentTypesMap", "json", "OO", column="payment_types_map", default={}),
        Field("name", write="OO"),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("machines", "machine", back="t.transaction_profile = {parent}::int"),
    ),
    referrers=(("machine", "vending.machine", "transaction_profile"),),
    prepare=_prepare,
)  # fmt: skip

EXPOSED: Final = (
    Exposed(
        resource=TRANSACTIONPROFILE,
        operations=operations("VEND-TXPROFILE", "list get create delete populate"),
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes of transaction profiles that no other resource has."""

    @get(
        "/transactionprofile/paymenttypes",
        **documented("VEND-TXPROFILE-PAYMENTTYPES", None, PaymentTypes),
    )
    async def payment_types(request: Call) -> Answer:
        """What a map may be made of."""
        require(principal(request), "transactionprofile:read")
        return reply(_PAYMENT_TYPES)

    async def update(request: Call, id: FromPath[str]) -> Answer:
        """Changes a profile; unlike other updates it answers the id."""
        key, body = row_id(TRANSACTIONPROFILE, id), await read_body(request)
        values = arguments(TRANSACTIONPROFILE, body, creating=False)
        if "id" in body and str(body["id"]) != str(key):
            reason = "is another than that in the path"
            raise InvalidError(f"id {reason}", fields={"id": reason})
        await made.change(request, TRANSACTIONPROFILE, key, values)
        return reply({"id": key})

    path, changed = "/transactionprofile/{id:str}", shape(TRANSACTIONPROFILE)
    return [
        payment_types,
        patch(path, **documented("VEND-TXPROFILE-UPDATE", changed, Created))(update),
        put(path, include_in_schema=False)(update),
    ]
