"""Images: a thumbnail and an original, each embedded in the row or named by address.

An embedded image is a data URL whose bytes are what its type says (vending-platform.md 2.5). An
`https://` address is stored and never fetched, so whether there is an image is not known. A list
holds 100 images at most and shows no embedded originals, which would be megabytes each: they are in
the image itself.
"""

import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.api.vending.filters import parse
from farebox.api.vending.sight import counted
from farebox.domain.errors import InvalidError
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Field, Resource, Write

IMAGE_BODY_BYTES_MAX: Final = 4 << 20
LISTED_MAX: Final = 100
BYTES_MAX: Final[Mapping[str, int]] = {"thumbnail": 256 << 10, "original": 3 << 20}
_URL: Final = r"https://[^\s\"<>\\]{1,2000}"
_DATA: Final = r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}"
# How the bytes of each type begin; None stands for four bytes that may be anything.
_MAGIC: Final[Mapping[str, tuple[tuple[bytes | None, ...], ...]]] = {
    "png": ((b"\x89PNG\r\n\x1a\n",),),
    "jpeg": ((b"\xff\xd8\xff",),),
    "gif": ((b"GIF87a",), (b"GIF89a",)),
    "webp": ((b"RIFF", None, b"WEBP"),),
}


# An original, unless it is embedded.
_ADDRESS: Final = "case when t.original not like 'data:%' then t.original end"


async def _prepare(write: Write) -> None:
    given = {name: write.values[name] for name in BYTES_MAX if name in write.values}
    faults = {name: fault for name, url in given.items() if (fault := _fault(name, url))}
    if faults:
        first = next(iter(faults))
        raise InvalidError(f"{first} {faults[first]}", fields=faults)


def _fault(name: str, url: str) -> str | None:
    """What is wrong with an embedded image."""
    if not url.startswith("data:"):
        return None
    head, _, body = url.partition(",")
    try:
        content = binascii.a2b_base64(body, strict_mode=True)
    except binascii.Error:
        return "is not valid base64"
    if len(content) > BYTES_MAX[name]:
        return f"must have at most {BYTES_MAX[name]} bytes"
    kind = head.removeprefix("data:image/").removesuffix(";base64")
    return None if _begins(content, kind) else f"is not of the type {kind}"


def _begins(content: bytes, kind: str) -> bool:
    for parts in _MAGIC[kind]:
        at, fits = 0, True
        for part in parts:
            fits = fits and (part is None or content.startswith(part, at))
            at += 4 if part is None else len(part)
        if fits:
            return True
    return False


IMAGE = Resource(
    name="image",
    table="vending.image",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        *(
            Field(name, write="RO", high=IMAGE_BODY_BYTES_MAX, pattern=f"{_URL}|{_DATA}")
            for name in BYTES_MAX
        ),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    referrers=(
        ("machinemodel", "vending.machinemodel", "image"),
        ("campaign", "voucher.campaign", "logo_image"),
        ("voucher", "voucher.voucher", "logo_image"),
    ),
    prepare=_prepare,
)

EXPOSED: Final = (Exposed(resource=IMAGE, operations={}),)
_ROUTED: Final = Exposed(
    resource=IMAGE, operations=operations("VEND-IMAGE", "get create update delete")
)
_LISTED: Final = replace(
    IMAGE,
    fields=tuple(
        replace(one, write="--", column=_ADDRESS if one.name == "original" else one.column)
        for one in IMAGE.fields
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes of images, whose bodies may be larger than others."""
    handlers = made.routes(_ROUTED)
    for handler in handlers:
        handler.request_max_body_size = IMAGE_BODY_BYTES_MAX

    @get("/image", **documented("VEND-IMAGE-LIST", None, rows(IMAGE), query=CRITERIA))
    async def list_images(request: Call) -> Answer:
        """The images, without embedded originals."""
        criteria = parse(_LISTED, request.query_params.multi_items())
        require(principal(request), "image:read")
        async with made.services.pool.acquire() as connection:
            page = await store.list_rows(
                connection, _LISTED, criteria, made.view(request), hard_cap=LISTED_MAX
            )
        return reply(page.rows, headers=counted(page.total, truncated=page.truncated))

    return [*handlers, list_images]
