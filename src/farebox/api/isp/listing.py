"""Lists of the provider's API: whole by default, in pages where `limit` is given (isp.md 1.5).

Rows are read in bounded parts, in the order of their ids; a list that is not short is sent while it
is read, one part ahead, so memory does not grow with it. Each part is a snapshot of its own, and no
connection is held while a slow client reads. Lists by area go through the areas, then those without
one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from litestar.response import Stream

from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import JSON, UNKEPT, Answer, Call, bare
from farebox.api.isp.kinds import ID, whole

PART: Final = 1000
# What is not longer is sent as one body, with its length.
WHOLE_BYTES: Final = 1 << 18
PAGING: Final = (
    Argument("limit", whole(1, 10_000), required=False),
    Argument("afterId", ID, required=False, default=0),
)
_encode = msgspec.json.Encoder().encode

# Rows after an id, at most so many; and what a row is on the wire.
Fetch = Callable[[int, int], Awaitable[Sequence[Any]]]
Render = Callable[[Any], Any]
Key = Callable[[Any], int]
# Rows of a place after an id, at most so many.
PlaceFetch = Callable[[int, int, int], Awaitable[Sequence[Any]]]


def _id(row: Any) -> int:
    return int(row["id"])


def around(member: str) -> tuple[bytes, bytes]:
    """What stands before and behind a list in its envelope."""
    return f'{{"status":"success","errorCode":200,"{member}":['.encode(), b"]}"


DATA: Final = around("data")
MESSAGE: Final = around("message")
BARE: Final = (b"[", b"]")


async def listed(
    call: Call, fetch: Fetch, render: Render, *, between: tuple[bytes, bytes] = DATA,
    key: Key = _id,
) -> Any:  # fmt: skip
    """The answer of an operation that lists."""
    limit, after = call["limit"], call["afterId"]
    if limit is None:
        return await sent(_parts(fetch, render, key, after, between))
    rows = await fetch(after, limit + 1)
    more = {"X-Next-After-Id": str(key(rows[limit - 1]))} if len(rows) > limit else {}
    before, behind = between
    return _answer(before + _joined(render, rows[:limit]) + behind, JSON, more)


async def listed_by_area(
    call: Call, fetch: PlaceFetch, start: int, places: Sequence[int], render: Render, *,
    key: Key = _id,
) -> Any:  # fmt: skip
    """The answer of an operation that lists by area: one list for each of the places.

    A page is a run of the ids of `start`, grouped in itself.
    """
    limit, after = call["limit"], call["afterId"]
    if limit is None:
        return await sent(_groups(fetch, render, key, after, places))
    rows = await fetch(start, after, limit + 1)
    more = {"X-Next-After-Id": str(key(rows[limit - 1]))} if len(rows) > limit else None
    groups: dict[int | None, list[Any]] = {}
    for row in rows[:limit]:
        groups.setdefault(row["area_id"], []).append(render(row))
    told = [groups[area] for area in sorted(groups, key=lambda a: (a is None, a or 0))]
    return bare({"status": "success", "errorCode": 200, "data": told}, more)


async def sent(
    parts: AsyncIterator[bytes], media_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Any:
    """Parts as one body where they are short, else sent while they are made."""
    begun = bytearray()
    async for part in parts:
        begun += part
        if len(begun) > WHOLE_BYTES:
            return Stream(
                _continued(bytes(begun), parts),
                media_type=media_type,
                headers={**UNKEPT, **(headers or {})},
            )
    return _answer(bytes(begun), media_type, headers)


def _joined(render: Render, rows: Sequence[Any]) -> bytes:
    """Rows as members of a list, without its brackets."""
    return _encode([render(row) for row in rows])[1:-1]


def _answer(body: bytes, media_type: str, headers: Mapping[str, str] | None) -> Answer:
    return Answer(body, headers={**UNKEPT, **(headers or {})}, media_type=media_type)


async def _continued(begun: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for part in parts:
        yield part


async def rows_after(fetch: Fetch, key: Key, after: int) -> AsyncIterator[Sequence[Any]]:
    """All rows after an id, in parts; once a part is asked for, the one after it is being read."""
    rows = await fetch(after, PART)
    while rows:
        if len(rows) < PART:
            yield rows
            return
        ahead = asyncio.ensure_future(fetch(key(rows[-1]), PART))
        try:
            yield rows
            rows = await ahead
        finally:
            ahead.cancel()


async def _parts(
    fetch: Fetch, render: Render, key: Key, after: int, between: tuple[bytes, bytes]
) -> AsyncIterator[bytes]:
    before = between[0]
    async for rows in rows_after(fetch, key, after):
        yield before + _joined(render, rows)
        before = b","
    yield (b"" if before == b"," else before) + between[1]


async def _groups(
    fetch: PlaceFetch, render: Render, key: Key, after: int, places: Sequence[int]
) -> AsyncIterator[bytes]:
    yield DATA[0]
    group = b"["
    for place in places:
        before = group
        async for rows in rows_after(partial(fetch, place), key, after):
            yield before + _joined(render, rows)
            before, group = b",", b",["
        if before == b",":
            yield b"]"
    yield DATA[1]
