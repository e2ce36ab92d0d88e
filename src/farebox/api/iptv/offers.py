"""Channels, packages and tariff plans that there are (iptv.md 3.7, 3.9, 3.10)."""

from typing import Any, Final

import msgspec

from farebox.api.iptv.blueprint import Call, Noun, Operation, listed
from farebox.api.iptv.dialect import Answer, told
from farebox.domain.errors import NotFoundError


class Channel(msgspec.Struct):
    """A channel."""

    id: str
    name: str
    number: str
    base_ch: str


class Service(msgspec.Struct):
    """What a package has."""

    id: str
    name: str


class Package(msgspec.Struct):
    """A package."""

    id: str
    external_id: str
    name: str
    type: str
    description: str
    all_services: str
    service_type: str
    rent_duration: str
    price: str


class PackageWhole(Package):
    """The same with its services."""

    services: str | list[str | Service]


class PackageOffered(Package):
    """The same in a tariff plan."""

    optional: str


class Tariff(msgspec.Struct):
    """A tariff plan."""

    id: str
    external_id: str
    name: str
    user_default: str
    days_to_expires: str
    packages: list[PackageOffered]


def _as(kind: Any, row: Any) -> Any:
    """A row with exactly the members of a type, in their order."""
    return {name: row[name] for name in kind.__struct_fields__}


async def list_channels(call: Call) -> Answer:
    """All channels that can be watched."""
    rows = await call.portal.offers.channels()
    return listed(call, [_as(Channel, row) for row in rows])


async def get_channels(call: Call) -> Answer:
    """Some of them."""
    rows = await call.portal.offers.channels(call.ids)
    if not rows:
        raise NotFoundError("Channel not found")
    return told([_as(Channel, row) for row in rows])


def _tariff(row: Any) -> Any:
    packages = [_as(PackageOffered, package) for package in row["packages"]]
    return _as(Tariff, row) | {"packages": packages}


async def list_tariffs(call: Call) -> Answer:
    """All tariff plans."""
    return listed(call, [_tariff(row) for row in await call.portal.offers.tariffs()])


async def get_tariff(call: Call) -> Answer:
    """One of them."""
    rows = await call.portal.offers.tariffs(call.ids)
    if not rows:
        raise NotFoundError("Tariff plan not found")
    return told(_tariff(rows[0]))


async def list_packages(call: Call) -> Answer:
    """All packages."""
    rows = await call.portal.offers.packages()
    return listed(call, [_as(PackageWhole, row) for row in rows])


async def get_package(call: Call) -> Answer:
    """One of them."""
    rows = await call.portal.offers.packages(call.ids)
    if not rows:
        raise NotFoundError("Package not found")
    return told(_as(PackageWhole, rows[0]))


_ONE: Final[dict[str, Any]] = {"named": True, "most": 1}
NOUNS: Final = (
    Noun("itv", (
        Operation(
            id="IPTV-ITV-LIST", method="GET", run=list_channels, gives=list[Channel],
            is_paged=True,
        ),
        Operation(
            id="IPTV-ITV-GET", method="GET", run=get_channels, gives=list[Channel], named=True
        ),
    )),
    Noun("tariffs", (
        Operation(
            id="IPTV-TARIFFS-LIST", method="GET", run=list_tariffs, gives=list[Tariff],
            is_paged=True,
        ),
        Operation(id="IPTV-TARIFFS-GET", method="GET", run=get_tariff, gives=Tariff, **_ONE),
    )),
    Noun("services_package", (
        Operation(
            id="IPTV-SERVICESPACKAGE-LIST", method="GET", run=list_packages,
            gives=list[PackageWhole], is_paged=True,
        ),
        Operation(
            id="IPTV-SERVICESPACKAGE-GET", method="GET", run=get_package, gives=PackageWhole,
            **_ONE,
        ),
    )),
)  # fmt: skip
