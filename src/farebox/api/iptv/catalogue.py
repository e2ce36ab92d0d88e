"""What operators provision, as data: channels, contents, packages, plans (iptv.md 2.2, 3.14).

Flags are 0 and 1 and numbers are numbers, unlike in the document's operations. The kind of a
content or package is given once, because what refers to it depends on it.
"""

from typing import Final

from farebox.resource.definition import Field, Resource, Scope, Write
from farebox.storage.sqlfile import load

SQL = load(__file__)
INT_MAX: Final = 2**31 - 1
_ALL: Final = Scope("true")
# Given once, to keep the numbering of another system.
_ID: Final = Field("id", "int", "O-", low=1, high=10**15)
_NAME: Final = Field("name", write="RO", low=1, high=255)
_EXTERNAL_ID: Final = Field("external_id", write="OO", high=64, default="")


CHANNEL = Resource(
    name="channel",
    table="iptv.channel",
    scope=_ALL,
    owner=None,
    fields=(
        _ID,
        _NAME,
        Field("number", "int", "RO", low=1, high=9999),
        Field("base_ch", "bool01", "OO", default=False),
        Field("enabled", "bool01", "OO", default=True),
    ),
    unique={"channel_pkey": "id", "channel_number_once": "number"},
)

CONTENT = Resource(
    name="content",
    table="iptv.content",
    scope=_ALL,
    owner=None,
    fields=(
        _ID,
        Field("type", write="R=", choices=("radio", "video")),
        _NAME,
        Field("number", "int", "OO", low=1, high=9999),
    ),
    unique={"content_pkey": "id"},
)

PACKAGE = Resource(
    name="package",
    table="iptv.package",
    scope=_ALL,
    owner=None,
    fields=(
        _ID,
        _EXTERNAL_ID,
        _NAME,
        Field("type", write="R=", choices=("tv", "video", "radio", "module")),
        Field("description", write="OO", high=4096, default=""),
        Field("all_services", "bool01", "OO", default=False),
        Field("service_type", write="OO", choices=("periodic", "single"), default="periodic"),
        Field("rent_duration", "int", "OO", "rent_duration_h", low=0, high=876_000, default=0),
        Field("price", "number", "OO", low=0, high=999_999, default=0),
        Field("services", "list", column=SQL.services),
    ),
    unique={"package_pkey": "id", "package_external_id_once": "external_id"},
    referrers=(("tariff", "iptv.tariff_package", "package"),),
)


async def _prepare_tariff(write: Write) -> None:
    if write.values.get("user_default"):
        # Who writes tariff plans takes turns.
        await write.connection.execute(SQL.clear_default)


TARIFF = Resource(
    name="tariff",
    title="Tariff plan",
    table="iptv.tariff",
    scope=_ALL,
    owner=None,
    fields=(
        _ID,
        _EXTERNAL_ID,
        _NAME,
        Field("user_default", "bool01", "OO", default=False),
        Field("days_to_expires", "int", "OO", low=0, high=36_500, default=0),
        Field("packages", "list", column=SQL.packages),
    ),
    unique={"tariff_pkey": "id", "tariff_external_id_once": "external_id"},
    referrers=(
        ("account", "iptv.account", "tariff"),
        ("account_afterwards", "iptv.account", "tariff_afterwards"),
    ),
    prepare=_prepare_tariff,
)

CATALOGUE: Final = {one.name: one for one in (CHANNEL, CONTENT, PACKAGE, TARIFF)}
