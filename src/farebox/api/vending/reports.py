"""Saved reports, as far as they name places and machines (vending-platform.md 3.6).

A report belongs to the group of whoever made it; what of its associations is not seen is left out.
What reports calculate is elsewhere.
"""

from typing import Final

from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Exposed, operations
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource

_TARGETS: Final = {
    # The document's own spelling: one name for several groups.
    "locationGroup": "locationgroup",
    "locations": "location",
    "machines": "machine",
    "machineGroups": "machinegroup",
    "machineModels": "machinemodel",
    "machineTypes": "machinetype",
    "manufacturers": "manufacturer",
}

REPORT = Resource(
    name="report",
    table="vending.report",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name"),
        Field("user", "int", column="users"),
        Field("period1", "json"),
        Field("period2", "json"),
        CREATED,
        UPDATED,
    ),
    associations=(
        *(
            Association(alias, target, through=(f"vending.report_{target}", "report", target))
            for alias, target in _TARGETS.items()
        ),
        Association("user", "user", column="users"),
    ),
)

EXPOSED: Final = (Exposed(resource=REPORT, operations=operations("VEND-REPORT", "populate")),)
