"""What crosses the wire when devices ask for news, configuration, assortment and commands.

Shapes are those of vending-platform.md 3.16; products look as they do to users (3.9).
"""

from typing import Any

import msgspec

from farebox.domain.instants import utc_text

Row = Any


class HeartbeatBody(msgspec.Struct, omit_defaults=True):
    """What a device says about itself."""

    uptime: int | None = None
    firmware: str | None = None
    signal: int | None = None
    hostname: str | None = None


class Cursors(msgspec.Struct):
    """Up to where each stream was stored."""

    log: int
    revenuetransaction: int
    iotevent: int


class News(msgspec.Struct):
    """What a device should know: the time, the versions, what waits."""

    time: int
    commands: int
    config: int
    houdini: int
    assortment: int
    cursors: Cursors


class Config(msgspec.Struct, rename="camel"):
    """A machine's configuration, secrets included."""

    version: int
    config: str | None
    houdini: str | None
    mode: str | None
    ssid: str | None
    encryption: str | None
    encryption_key: str | None
    apn: str | None
    sharing: str | None


class AcknowledgementBody(msgspec.Struct, omit_defaults=True):
    """What became of a configuration."""

    version: int
    state: str
    message: str | None = None
    hostname: str | None = None


class BaseProduct(msgspec.Struct, rename="camel", kw_only=True):
    """A base product."""

    id: int
    plu: int
    name: str
    price: int
    barcode: str | None
    internal_ref: str | None
    machine: int
    report_name: str | None
    created_at: str
    updated_at: str
    remote_price: int | None
    type: str = "base"
    vatrate: float | None
    ledger: str | None
    subledger: str | None


class Addition(msgspec.Struct, rename="camel"):
    """A flavour or an extra; its price is text, as documented."""

    id: int
    plu: int
    name: str
    price: str
    barcode: str | None
    machine: int
    report_name: str | None
    created_at: str
    updated_at: str


class Assortment(msgspec.Struct, rename="camel"):
    """What a machine sells."""

    version: int
    base_products: list[BaseProduct]
    product_flavours: list[Addition]
    extra_products: list[Addition]


class DeviceCommand(msgspec.Struct, rename="camel"):
    """A command on its way to a machine."""

    id: int
    hostname: str
    command: str
    params: list[Any]
    expires_at: str


class CommandResult(msgspec.Struct, omit_defaults=True):
    """How a command ended."""

    state: str
    result: str | None = None


def news_of(row: Row, now_s: int) -> News:
    """The answer of a heartbeat."""
    return News(
        time=now_s,
        commands=row["commands"],
        config=row["config_version"],
        houdini=row["houdini_version"],
        assortment=row["assortment_version"],
        cursors=Cursors(
            row["log_synced"], row["revenuetransaction_synced"], row["iotevent_synced"]
        ),
    )


def config_of(row: Row, key: str | None) -> Config:
    """A configuration as its machine reads it, with the key of its network opened."""
    told = {name: row[name] for name in Config.__struct_fields__}
    return Config(**(told | {"encryption_key": key}))


def assortment_of(version: int, rows: list[Row]) -> Assortment:
    """An assortment by classes."""
    return Assortment(
        version,
        [_base(row) for row in rows if row["class"] == "base"],
        [_addition(row) for row in rows if row["class"] == "flavour"],
        [_addition(row) for row in rows if row["class"] == "extra"],
    )


def _base(row: Row) -> BaseProduct:
    return BaseProduct(
        id=row["id"],
        plu=row["plu"],
        name=row["name"],
        price=row["price"],
        barcode=row["barcode"],
        internal_ref=row["internal_ref"],
        machine=row["machine"],
        report_name=row["report_name"],
        created_at=utc_text(row["created_at_ms"]),
        updated_at=utc_text(row["updated_at_ms"]),
        remote_price=row["remote_price"],
        vatrate=None if row["vatrate"] is None else float(row["vatrate"]),
        ledger=row["ledger"],
        subledger=row["subledger"],
    )


def _addition(row: Row) -> Addition:
    return Addition(
        row["id"], row["plu"], row["name"], str(row["price"]), row["barcode"], row["machine"],
        row["report_name"], utc_text(row["created_at_ms"]), utc_text(row["updated_at_ms"]),
    )  # fmt: skip


def command_of(row: Row) -> DeviceCommand:
    """A command as it is given to its gateway."""
    return DeviceCommand(
        row["id"], row["hostname"], row["command"], row["params"], utc_text(row["expires_at_ms"])
    )
