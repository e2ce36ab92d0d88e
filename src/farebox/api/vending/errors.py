"""What machines' error codes mean: profiles, identities, codes (vending-platform.md 2.5, 3.10).

A profile lists the codes that models of one kind report; each code stands for an identity, whose
error is the word that reports use. Code, identity and profile speak of one machine type: neither
side can be changed away from the other. An identity's error and a profile's code are unique per
owner, because strangers may add theirs to what is everybody's. A code and a model always have a
profile: adding one to a profile moves it there, taking a code out of its profile is its end, and a
model is not taken out.
"""

from typing import Final

from litestar import delete, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created
from farebox.api.vending.dialect import Answer, Call, message, principal, reply, require
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.pool import transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
WORD_MAX: Final = 64
_OWNER: Final = Field("userGroup", "int", column="owner")
_TYPE: Final = Field("machineType", "int", "RO", column="machine_type", reference="machinetype")


async def _prepare_code(write: Write) -> None:
    values, current = write.values, write.current
    identity, profile = (
        values.get(name, getattr(current, name, None)) for name in ("errorIdentity", "errorProfile")
    )
    pair = await write.connection.fetchrow(SQL.pair, identity, profile)
    if pair is not None and not pair["agree"]:
        reason = "is for another machine type"
        raise InvalidError(f"errorIdentity {reason}", fields={"errorIdentity": reason})
    if values.get("code") is None and (current is None or "code" in values):
        values["code"] = pair["error"] if pair else None


async def _prepare_type(write: Write) -> None:
    """A profile or identity keeps its type while its codes belong to the other side's."""
    values, current = write.values, write.current
    if current is None or values.get("machineType", current.machineType) == current.machineType:
        return
    statement = SQL.profile_has_codes if write.resource is ERRORPROFILE else SQL.identity_has_codes
    if await write.connection.fetchval(statement, current.id):
        reason = "cannot change while there are error codes"
        raise InvalidError(f"machineType {reason}", fields={"machineType": reason})


ERRORPROFILE = Resource(
    name="errorprofile",
    title="Error profile",
    table="vending.errorprofile",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("name", write="RO"),
        _TYPE,
        Field("manufacturer", "int", "RO", reference="manufacturer"),
        _OWNER,
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("errorCodes", "errorcode", back="t.error_profile = {parent}::int"),
        Association("machineModels", "machinemodel", back="t.error_profile = {parent}::int"),
        Association("machineType", "machinetype", column="machine_type"),
        Association("manufacturer", "manufacturer", column="manufacturer"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"errorprofile_name_once": "name"},
    referrers=(("machinemodel", "vending.machinemodel", "error_profile"),),
    prepare=_prepare_type,
)

ERRORIDENTITY = Resource(
    name="erroridentity",
    title="Error identity",
    table="vending.erroridentity",
    scope=tenancy.catalogue(),
    fields=(ID, _TYPE, Field("error", write="RO", high=WORD_MAX), _OWNER, CREATED, UPDATED),
    associations=(
        Association("errorCodes", "errorcode", back="t.error_identity = {parent}::int"),
        Association("machineType", "machinetype", column="machine_type"),
    ),
    unique={"erroridentity_error_once": "error"},
    referrers=(
        ("errorcode", "vending.errorcode", "error_identity"),
        ("alertobserver", "vending.alertobserver", "error"),
    ),
    prepare=_prepare_type,
)

ERRORCODE = Resource(
    name="errorcode",
    title="Error code",
    table="vending.errorcode",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("errorIdentity", "int", "RO", column="error_identity", reference="erroridentity"),
        Field("errorProfile", "int", "RO", column="error_profile", reference="errorprofile"),
        Field("code", write="OO", high=WORD_MAX),
        _OWNER,
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("errorIdentity", "erroridentity", column="error_identity"),
        Association("errorProfile", "errorprofile", column="error_profile"),
    ),
    unique={"errorcode_code_once": "code"},
    prepare=_prepare_code,
)

_PLAIN: Final = "list get create update delete populate"
EXPOSED = (
    Exposed(resource=ERRORPROFILE, operations=operations("VEND-ERRORPROFILE", _PLAIN)),
    Exposed(resource=ERRORIDENTITY, operations=operations("VEND-ERRORIDENTITY", _PLAIN)),
    Exposed(resource=ERRORCODE, operations=operations("VEND-ERRORCODE", _PLAIN)),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """Adds codes and models to profiles and removes codes from them."""
    path = "/errorprofile/{parentid:str}/{alias:str}/{fk:str}"

    async def add(
        request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
    ) -> Answer:
        """Moves an error code or a model to this profile."""
        key, target, other = await _named(made, request, parentid, alias, fk)
        try:
            await made.change(request, target, other, {"errorProfile": key})
        except NotFoundError:
            reason = f"does not exist: {other}"
            fault = InvalidError(f"{alias} {reason}", "invalid_reference", {alias: reason})
            raise fault from None
        return reply({"id": key})

    @delete(path, **documented("VEND-ERRORPROFILE-REMOVE", None, Message))
    async def remove(
        request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
    ) -> Answer:
        """Ends an error code of this profile."""
        key, target, other = await _named(made, request, parentid, alias, fk)
        view = made.view(request).having(parent=key)
        async with transaction(made.services.pool) as connection:
            page = await store.list_rows(
                connection, target, Criteria(), view.having(key=other), within=SQL.of_profile
            )
            if page.rows and target is not ERRORCODE:
                reason = "must have a profile; add it to another"
                raise ConflictError(f"A model {reason}", "in_use", {alias: reason})
            if page.rows:
                require(principal(request), f"{target.name}:write")
                await store.delete(connection, target, other, view)
        return message("Error profile updated")

    return [
        put(path, **documented("VEND-ERRORPROFILE-ADD", None, Created))(add),
        post(path, status_code=200, include_in_schema=False)(add),
        remove,
    ]


async def _named(
    made: Blueprint, request: Call, parentid: str, alias: str, fk: str
) -> tuple[int, Resource, int]:
    """The profile, what kind of row is named, and its id; NotFoundError where there is none."""
    key = row_id(ERRORPROFILE, parentid)
    await store.read(made.services.pool, ERRORPROFILE, key, made.view(request))
    require(principal(request), "errorprofile:write")
    if alias not in ("errorCodes", "machineModels"):
        raise NotFoundError("Not found")
    target = made.catalogue[ERRORPROFILE.aliases[alias].target]
    return key, target, row_id(target, fk)
