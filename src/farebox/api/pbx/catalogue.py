"""The records of the hosted PBX as data: columns, names on the wire, limits (pbx.md 2).

All values are texts on the wire, ids and counts too. What the document's operations show and change
of a record is a part of what the operator routes do; both are checked by these declarations.
"""

import re
from typing import Final

from farebox.api.pbx.dialect import invalid
from farebox.domain.errors import ConflictError, InvalidError
from farebox.domain.windows import zone
from farebox.resource.definition import Field, Resource, Scope, Write
from farebox.storage.sqlfile import load

SQL = load(__file__)
YES_NO: Final = ("", "yes", "no")
_NUMBER: Final = r"[0-9*#]{1,15}"
_CALLER_ID: Final = r"\+?[0-9]{0,20}"
_EMAIL: Final = r"|[^@\s]{1,127}@[^@\s]{1,126}"
_TYPE: Final = r"[A-Za-z0-9_-]{1,32}"
_ALL: Final = "{admin}::bool"
_SCOPE: Final = Scope(f"{_ALL} or t.tenant in ({SQL.mine})")
_COMMON: Final = Scope("true", write=_ALL, delete=_ALL)


def _tenant(name: str) -> Field:
    return Field(name, "bigtext", "R-", column="tenant", reference="tenant")


def _id(name: str) -> Field:
    return Field(name, "bigtext", column="id")


async def _prepare_tenant(write: Write) -> None:
    given, current = write.values, write.current
    if "te_timezone" in given:
        try:
            zone(given["te_timezone"] or "UTC")
        except InvalidError:
            raise invalid("Invalid Field te_timezone.") from None
        given["te_timezone"] = given["te_timezone"] or "UTC"
    is_moved = current is not None and given.get("te_code", current.te_code) != current.te_code
    if is_moved and current.is_named:
        raise ConflictError("Extensions or call records name the code", "in_use")


TENANT = Resource(
    name="tenant",
    table="pbx.tenant",
    scope=Scope(f"{_ALL} or t.id in ({SQL.mine})"),
    owner=None,
    fields=(
        _id("te_id"),
        Field("te_name", write="RO", column="name", low=1, high=128),
        Field("te_code", write="RO", column="code", pattern=r"[A-Za-z0-9]{1,32}"),
        Field("te_timezone", write="OO", column="time_zone", high=64),
        Field("is_named", "bool", column=SQL.is_named),
    ),
    unique={"tenant_code_once": "te_code"},
    # Without a foreign key, because it may outlive the tenant.
    referrers=(("cdr", "pbx.cdr", "tenant"),),
    prepare=_prepare_tenant,
)  # fmt: skip

USER = Resource(
    name="pbx_user",
    table="pbx.users",
    scope=Scope(f"{_ALL} or t.id = {{caller}}::bigint"),
    owner=None,
    fields=(
        _id("us_id"),
        Field("us_username", write="RO", column="username", pattern=r"[^:]{1,64}"),
        Field("email", write="OO", high=254, pattern=_EMAIL),
        Field("us_role", write="OO", column="role", choices=("admin", "user")),
        Field("enabled", write="OO", choices=("yes", "no")),
    ),
    unique={"users_username_once": "us_username", "users_email_once": "email"},
)

EXTENSION = Resource(
    name="extension",
    table="pbx.extension",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("ex_id"),
        _tenant("te_id"),
        Field("ex_name", write="RO", column="name", low=1, high=128),
        Field("ex_number", write="RO", column="number", pattern=_NUMBER),
        Field("ex_cidnum", write="OO", column="cidnum", pattern=_CALLER_ID),
        Field("ex_cidname", write="OO", column="cidname", pattern=r'[^"<>]{0,64}'),
        Field("ex_callwaiting", write="OO", column="callwaiting", choices=YES_NO),
        Field("ex_fmfmcallerid", write="OO", column="fmfmcallerid", pattern=_CALLER_ID),
    ),
    # Hunts have numbers of the same space; the mailbox moves with the number.
    unique={"number_pkey": "ex_number", "voicemail_mailbox_once": "ex_number"},
)

HUNT = Resource(
    name="hunt",
    table="pbx.hunt",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("hu_id"),
        _tenant("te_id"),
        Field("hu_number", write="RO", column="number", pattern=_NUMBER),
        Field("hu_name", write="RO", column="name", low=1, high=128),
        Field("hu_type", write="RO", column="type", pattern=_TYPE),
        Field("hu_ringtime", "bigtext", "OO", column="ringtime", default=60, low=1, high=3600),
        Field("hu_checkinuse", write="OO", column="checkinuse", choices=YES_NO),
    ),
    unique={"number_pkey": "hu_number"},
)

DID = Resource(
    name="did",
    table="pbx.did",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("di_id"),
        _tenant("di_te_id"),
        Field("di_country", write="OO", column="country", high=64),
        Field("di_area", write="OO", column="area", high=64),
        Field("di_number", write="RO", column="number", pattern=r"\+?[0-9]{1,20}"),
        Field("di_comment", write="OO", column="comment", high=255),
        Field("di_recording", write="OO", column="recording", choices=YES_NO),
        Field("di_fax", write="OO", column="fax", choices=YES_NO),
        Field("di_didprefix", write="OO", column="prefix", high=32),
        Field("di_didnameprefix", write="OO", column="name_prefix", high=32),
    ),
    unique={"did_number_once": "di_number"},
)


async def _prepare_phone(write: Write) -> None:
    given = write.values
    digits = re.sub(r"[:.-]", "", given.get("ph_mac", "").lower())
    # What a telephone asks for by its address, unless somebody says otherwise.
    if write.current is None and re.fullmatch(r"[0-9a-f]{12}", digits):
        given.setdefault("ph_filename", f"{digits}.cfg")


PHONE = Resource(
    name="phone",
    table="pbx.phone",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("ph_id"),
        Field("ph_name", write="RO", column="name", low=1, high=128),
        _tenant("ph_te_id"),
        # Need not be a known model.
        Field("ph_pm_id", "bigtext", "RO", column="model"),
        Field("ph_mac", write="RO", column="mac", low=1, high=64),
        Field("ph_filename", write="OO", column="filename", pattern=r"[A-Za-z0-9._-]{0,128}"),
        Field("ph_http_user", write="OO", column="http_user", high=64),
    ),
    unique={"phone_mac_once": "ph_mac"},
    prepare=_prepare_phone,
)

PHONE_MODEL = Resource(
    name="phone_model",
    table="pbx.phone_model",
    scope=_COMMON,
    owner=None,
    fields=(_id("pm_id"), Field("pm_name", write="RO", column="name", low=1, high=128)),
    unique={"phone_model_name_once": "pm_name"},
)

VOICEMAIL = Resource(
    name="voicemail",
    table="pbx.voicemail",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("uniqueid"),
        _tenant("te_id"),
        Field("context", column=SQL.context),
        Field("mailbox", write="RO", pattern=_NUMBER),
        Field("fullname", write="OO", high=128),
        Field("email", write="OO", high=254, pattern=_EMAIL),
    ),
    unique={"voicemail_mailbox_once": "mailbox"},
)

PARAMS: Final = tuple(f"co_param{number}" for number in range(1, 13))
CONDITION = Resource(
    name="condition",
    table="pbx.condition",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("co_id"),
        _tenant("te_id"),
        Field("co_name", write="RO", column="name", low=1, high=128),
        Field("co_type", write="RO", column="type", pattern=r"[A-Za-z0-9_]{1,32}"),
        Field("co_timezone", write="OO", column="time_zone", high=64),
        *(Field(name, write="OO", column=name.removeprefix("co_")) for name in PARAMS),
    ),
)

IVR = Resource(
    name="ivr",
    table="pbx.ivr",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("iv_id"),
        _tenant("te_id"),
        Field("iv_name", write="RO", column="name", low=1, high=128),
    ),
)

CUSTOM = Resource(
    name="custom",
    table="pbx.custom",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("cu_id"),
        _tenant("te_id"),
        Field("cu_name", write="RO", column="name", low=1, high=128),
        Field("cu_ct_id", "bigtext", "OO", column="type", reference="custom_type"),
        Field("ct_name", column=SQL.type_name),
        Field("ct_description", column=SQL.type_description),
    ),
)  # fmt: skip

CUSTOM_TYPE = Resource(
    name="custom_type",
    table="pbx.custom_type",
    scope=_COMMON,
    owner=None,
    fields=(
        _id("ct_id"),
        Field("ct_name", write="RO", column="name", low=1, high=128),
        Field("ct_description", write="OO", column="description"),
    ),
    unique={"custom_type_name_once": "ct_name"},
    referrers=(("custom", "pbx.custom", "type"),),
)

DESTINATION = Resource(
    name="destination",
    table="pbx.destination",
    scope=_SCOPE,
    owner=None,
    fields=(
        _id("de_id"),
        _tenant("te_id"),
        Field("de_type_src", write="RO", column="type_src", pattern=_TYPE),
        Field("de_id_src", "bigtext", "RO", column="id_src"),
        Field("de_type_dst", write="RO", column="type_dst", pattern=_TYPE),
        Field("de_id_dst", "bigtext", "RO", column="id_dst"),
        Field("de_ord", "bigtext", "OO", column="ord", default=1, low=1, high=9999),
    ),
)

CATALOGUE: Final = {
    one.name: one
    for one in (
        TENANT, USER, EXTENSION, HUNT, DID, PHONE, PHONE_MODEL, VOICEMAIL, CONDITION, IVR, CUSTOM,
        CUSTOM_TYPE, DESTINATION,
    )
}  # fmt: skip
