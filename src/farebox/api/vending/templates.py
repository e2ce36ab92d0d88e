"""Templates of machine configurations (vending-platform.md 2.8, 3.5).

A template is filled in by hand or by another program: nothing here applies it. With a hostname the
list is what the machine's location may have: templates of its owner and of the groups above it, and
those that are everybody's. Keys of networks are stored sealed.
"""

from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.configuration import CONFIG_MAX, machine_named, shown
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.engine.network_keys import MASK
from farebox.resource import store
from farebox.resource.definition import ID, Field, Resource, View, Write
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Template(msgspec.Struct, rename="camel"):
    """A template, without its number."""

    name: str
    config: str | None
    mode: str | None
    ssid: str | None
    encryption: str | None
    encryption_key: str | None
    apn: str | None
    sharing: str | None


def _masked(row: Any, view: View) -> Any:
    if row.encryptionKey is not None:
        keys: Any = view.parameters["network_keys"]
        row.encryptionKey = shown(keys, row.encryptionKey, view)
    return row


async def _prepare_template(write: Write) -> None:
    keys: Any = write.view.parameters["network_keys"]
    if "encryptionKey" in write.values:
        key, current = write.values.pop("encryptionKey"), write.current
        if key != MASK and not (current and keys.is_same(current.encryptionKey, key)):
            write.values["encryptionKey"] = keys.seal(key)


TEMPLATE = Resource(
    name="machineconfigtemplate",
    title="Configuration template",
    table="vending.machineconfigtemplate",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("apn", write="OO"),
        Field("config", "json_text", "OO", high=CONFIG_MAX),
        Field("sharing", write="OO"),
        Field("mode", write="OO"),
        Field("encryption", write="OO"),
        Field("encryptionKey", "json_text", "OO", column="encryption_key"),
        Field("ssid", write="OO"),
    ),
    prepare=_prepare_template,
    render=_masked,
)

EXPOSED = (
    Exposed(
        resource=TEMPLATE, operations=operations("VEND-CONFIGTEMPLATE", "create update delete")
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about templates that are no plain resource."""

    @get(
        "/machineconfigtemplate",
        **documented(
            "VEND-CONFIGTEMPLATE-LIST", None, rows(TEMPLATE), query={**CRITERIA, "hostname": str}
        ),
    )
    async def list_templates(request: Call) -> Answer:
        """The templates that are seen; with a hostname, those that its location may have."""
        hostname, view, within = request.query_params.get("hostname"), made.view(request), "true"
        if hostname is not None:
            right = "machineconfigtemplate:read"
            found = await machine_named(made, request, hostname, right, hostname_only=True)
            view, within = view.having(location=found.location), SQL.for_location
        return await made.page(request, TEMPLATE, within, view, reserved=("hostname",))

    @get("/machineconfigtemplate/{id:str}", **documented("VEND-CONFIGTEMPLATE-GET", None, Template))
    async def read_template(request: Call, id: FromPath[str]) -> Answer:
        """One template."""
        key = row_id(TEMPLATE, id)
        row = await store.read(made.services.pool, TEMPLATE, key, made.view(request))
        require(principal(request), "machineconfigtemplate:read")
        return reply(Template(*(getattr(row, name) for name in Template.__struct_encode_fields__)))

    return [list_templates, read_template]
