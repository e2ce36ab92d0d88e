"""What machines' error codes mean: profiles, identities, codes (vending-platform.md 2.5, 3.10).

A profile lists the codes that models of one kind report; each code stands for an identity, whose
error is the word that reports use. Code, identity and profile speak of one machine type: neither
side can be changed away from the other. An identity's error and a profile's code are unique per
owner, because strangers may add theirs to what is everybody's.
"""

from typing import Final

from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Exposed, operations
from farebox.domain.errors import InvalidError
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
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
