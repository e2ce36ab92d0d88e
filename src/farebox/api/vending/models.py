"""Kinds of machines and groups of machines (vending-platform.md 2.5, 3.4).

Types, manufacturers and models are catalogue: rows without a group are everybody's. What a machine
says about its own type and manufacturer need not agree with its model.
"""

from typing import Final

from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Exposed, operations
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource

_TYPES: Final = ("vending.manufacturer_machinetype", "manufacturer", "machinetype")
_MACHINES: Final = ("vending.machinegroup_machine", "machinegroup", "machine")
_OWNER: Final = Field("userGroup", "int", column="owner")
_NAME: Final = Field("name", write="RO")

MACHINETYPE = Resource(
    name="machinetype",
    title="Machine type",
    table="vending.machinetype",
    scope=tenancy.catalogue(),
    fields=(ID, _NAME, _OWNER, CREATED, UPDATED),
    associations=(
        Association("machines", "machine", back="t.machine_type = {parent}::int"),
        Association("machineModels", "machinemodel", back="t.machine_type = {parent}::int"),
        Association("errorIdentities", "erroridentity", back="t.machine_type = {parent}::int"),
    ),
    unique={"machinetype_name_once": "name"},
    referrers=(
        ("machine", "vending.machine", "machine_type"),
        ("machinemodel", "vending.machinemodel", "machine_type"),
        ("errorprofile", "vending.errorprofile", "machine_type"),
        ("erroridentity", "vending.erroridentity", "machine_type"),
    ),
)

MANUFACTURER = Resource(
    name="manufacturer",
    table="vending.manufacturer",
    scope=tenancy.catalogue(),
    fields=(ID, _NAME, _OWNER, CREATED, UPDATED),
    associations=(
        Association("machineTypes", "machinetype", through=_TYPES, writable=True),
        Association("machineModels", "machinemodel", back="t.manufacturer = {parent}::int"),
    ),
    unique={"manufacturer_name_once": "name"},
    referrers=(
        ("machine", "vending.machine", "manufacturer"),
        ("machinemodel", "vending.machinemodel", "manufacturer"),
        ("errorprofile", "vending.errorprofile", "manufacturer"),
    ),
)

MACHINEMODEL = Resource(
    name="machinemodel",
    title="Machine model",
    table="vending.machinemodel",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        _NAME,
        Field("manufacturer", "int", "RO", reference="manufacturer"),
        Field("machineType", "int", "OO", column="machine_type", reference="machinetype"),
        Field("errorProfile", "int", "RO", column="error_profile", reference="errorprofile"),
        Field("image", "int", "OO", reference="image"),
        _OWNER,
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("manufacturer", "manufacturer", column="manufacturer"),
        Association("machineType", "machinetype", column="machine_type"),
        Association("errorProfile", "errorprofile", column="error_profile"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"machinemodel_name_once": "name"},
    referrers=(("machine", "vending.machine", "machine_model"),),
)

MACHINEGROUP = Resource(
    name="machinegroup",
    title="Machine group",
    table="vending.machinegroup",
    scope=tenancy.owned(),
    fields=(ID, _NAME, _OWNER, CREATED, UPDATED),
    associations=(
        Association("machines", "machine", through=_MACHINES, writable=True),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"machinegroup_name_once": "name"},
)

_PLAIN: Final = "list get create update delete populate"
EXPOSED = (
    Exposed(resource=MACHINETYPE, operations=operations("VEND-MACHINETYPE", _PLAIN)),
    Exposed(
        resource=MANUFACTURER,
        operations=operations("VEND-MANUFACTURER", f"{_PLAIN} add remove"),
    ),
    Exposed(resource=MACHINEMODEL, operations=operations("VEND-MACHINEMODEL", _PLAIN)),
    Exposed(
        resource=MACHINEGROUP,
        operations=operations("VEND-MACHINEGROUP", f"{_PLAIN} add remove"),
    ),
)
