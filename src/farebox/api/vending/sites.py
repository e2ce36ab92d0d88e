"""Locations and location groups (vending-platform.md 2.4, 2.5, 3.6).

A location without a time zone gets the only zone of its country, else the server's default.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Exposed, operations
from farebox.domain.countries import only_zone
from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.sqlfile import load

SQL = load(__file__)
_ADDRESS = ("name", "address", "postcode", "city", "country")
_GROUPS = ("vending.locationgroup_location", "location", "locationgroup")
_LOCATIONS = ("vending.locationgroup_location", "locationgroup", "location")
_SEVEN_PLACES = Decimal("1e-7")


async def _prepare_location(write: Write) -> None:
    values, current = write.values, write.current
    position = {}
    for name in ("latitude", "longitude"):
        if values.get(name) is not None:
            values[name] = values[name].quantize(_SEVEN_PLACES, ROUND_HALF_EVEN)
        position[name] = values.get(name, getattr(current, name, None))
    missing = [name for name, value in position.items() if value is None]
    if len(missing) == 1:
        raise InvalidError(
            "latitude and longitude belong together",
            fields={missing[0]: "is required with the other"},
        )
    if values.get("timeZone") is not None:
        _check_zone(values["timeZone"])
    elif current is None or "timeZone" in values:
        country = values.get("country", getattr(current, "country", ""))
        values["timeZone"] = only_zone(country) or write.view.value("default_time_zone")


def _check_zone(name: str) -> None:
    try:
        zone(name)
    except InvalidError as error:
        raise InvalidError(error.message, error.code, {"timeZone": error.message}) from error


LOCATION = Resource(
    name="location",
    table="vending.location",
    scope=tenancy.located("t.id", delete="t.owner = any({groups}::int[])"),
    fields=(
        ID,
        *(Field(name, write="RO") for name in _ADDRESS),
        Field("activeShift", "int", column="active_shift"),
        Field("latitude", "decimal", "OO", low=-90, high=90),
        Field("longitude", "decimal", "OO", low=-180, high=180),
        Field("placeId", write="OO", column="place_id"),
        Field("timeZone", write="OO", column="time_zone"),
        CREATED,
        UPDATED,
        Field("externalRef", write="OO", column="external_ref"),
    ),
    associations=(
        Association("locationGroups", "locationgroup", through=_GROUPS, writable=True),
        Association("machines", "machine", back="t.location = {parent}::int"),
        Association("shifts", "shift", back="t.location = {parent}::int"),
        Association("activeShift", "shift", column="active_shift"),
    ),
    unique={"location_external_ref_once": "externalRef"},
    referrers=(
        ("machine", "vending.machine", "location"),
        ("campaign", SQL.location_rules, "location"),
        ("voucher", SQL.voucher_rules, "location"),
        ("shift", "vending.shift", "location"),
    ),
    notify=("farebox_places",),
    prepare=_prepare_location,
)

LOCATIONGROUP = Resource(
    name="locationgroup",
    title="Location group",
    table="vending.locationgroup",
    scope=tenancy.owned_or_assigned(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("locations", "location", through=_LOCATIONS, writable=True),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"locationgroup_name_once": "name"},
    notify=("farebox_places",),
)

EXPOSED = (
    Exposed(
        resource=LOCATION,
        operations=operations("VEND-LOCATION", "list get create update delete populate add remove"),
    ),
    Exposed(
        resource=LOCATIONGROUP,
        operations=operations(
            "VEND-LOCATIONGROUP", "list get create update delete populate add remove"
        ),
    ),
)
