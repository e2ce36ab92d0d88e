"""Images: the examples of vending-platform.md 5, and what counts as an image."""

import base64

from tests.api.conftest import Api, Golden
from tests.golden import Example

MAGIC = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "gif": b"GIF89a",
    "webp": b"RIFF\x10\x00\x00\x00WEBP",
}
URL = "https://example.test/a.png"


def data(kind: str, size: int = 64, magic: str | None = None) -> str:
    """A data URL that says it is of a kind and begins like one."""
    content = MAGIC[magic or kind].ljust(size, b"\0")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def post(thumbnail: object, original: object = URL, status: int = 201) -> Example:
    """An image to be created."""
    body = {"thumbnail": thumbnail, "original": original}
    return Example("VEND-IMAGE-CREATE", "POST", "/image", body, status)


LIFE = (
    post(data("png")),
    Example("VEND-IMAGE-UPDATE", "PATCH", "/image/1", {"original": "https://example.test/b.png"},
            answer={"message": "Image updated"}),
    Example("VEND-IMAGE-GET", "GET", "/image/1", answer={
        "id": 1, "thumbnail": data("png"), "original": "https://example.test/b.png",
        "userGroup": 2}),
    Example("VEND-IMAGE-LIST", "GET", "/image", answer=[
        {"id": 1, "thumbnail": data("png"), "original": "https://example.test/b.png"}]),
    Example("VEND-IMAGE-UPDATE", "PUT", "/image/1", {"original": data("gif")}),
    Example("VEND-IMAGE-LIST", "GET", "/image?sort=createdAt", answer=[{"original": None}]),
    Example("VEND-IMAGE-GET", "GET", "/image/1", answer={"original": data("gif")}),
    Example("VEND-IMAGE-GET", "GET", "/image/1", status=404, by="sam"),
    Example("VEND-IMAGE-DELETE", "DELETE", "/image/1"),
    Example("VEND-IMAGE-LIST", "GET", "/image", answer=[]),
)  # fmt: skip

CASES = (
    *(post(data(kind)) for kind in MAGIC),
    post(data("png", 256 << 10), data("jpeg", (3 << 20) - 300_000)),
    post(data("png"), data("png", 3 << 20), 413),
    post(data("png", (256 << 10) + 1), status=400),
    post(data("png", magic="gif"), status=400),
    post("data:image/svg+xml;base64,PHN2Zz4=", status=400),
    post("data:image/png,iVBORw0KGgo=", status=400),
    post(data("png").replace("=", "") + "=====", status=400),
    post(data("png")[:-3], status=400),
    post("http://example.test/a.png", status=400),
    post("https://", status=400),
    post("https://exa mple.test/a.png", status=400),
    post(5, status=400),
    post(None, status=400),
)


async def test_life_of_an_image(golden: Golden) -> None:
    """It is created, changed, listed, hidden from others and deleted."""
    await golden(*LIFE)


async def test_what_an_image_is(golden: Golden) -> None:
    """Bytes of the type that the URL names, within the sizes, or an address."""
    await golden(*CASES)


async def test_an_image_in_use_stays(api: Api) -> None:
    """A campaign's logo keeps its image, and the refusal says who refers to it."""
    nora = await api.login("nora")
    key = (await nora.post("/image", {"thumbnail": URL, "original": URL})).json()["id"]
    campaign = {"name": "C", "totalVouchers": 0, "voucherValue": 1, "voucherLogoImg": key}
    assert 201 == (await nora.post("/campaign", campaign)).status_code
    answer = await nora.delete(f"/image/{key}")
    assert (409, {"campaign": "refers to it"}) == (answer.status_code, answer.json()["fields"])
