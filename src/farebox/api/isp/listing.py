"""Lists of the provider's API: whole by default, in pages where `limit` is given (isp.md 1.5).

Rows are read in bounded parts, in the order of their ids; a long list is sent while it is read, so
memory does not grow with it. Each part is a snapshot of its own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from litestar.response import Stream

from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import JSON, Answer, Call, bare
from farebox.api.isp.kinds import ID, whole

PART: Final = 1000
PAGING: Final = (
    Argument("limit", whole(1, 10_000), required=False),
    Argument("afterId", ID, required=False, default=0),
)
_encode = msgspec.json.Encoder().encode

# Rows after an id, at most so many; and what a row is on the wire.
Fetch = Callable[[int, int], Awaitable[Sequence[Any]]]
Render = Callable[[Any], Any]


async def listed(
    call: Call, fetch: Fetch, render: Render, *, enveloped: bool = True,
    key: Callable[[Any], int] = lambda row: int(row["id"]),
) -> Any:  # fmt: skip
    """The answer of an operation that lists."""
    limit, after = call["limit"], call["afterId"]
    rows = await fetch(after, (limit or PART) + 1)
    headers = {}
    if limit is not None and len(rows) > limit:
        rows = rows[:limit]
        headers["X-Next-After-Id"] = str(key(rows[-1]))
    if limit is not None or len(rows) <= PART:
        return _whole([render(row) for row in rows], headers, enveloped=enveloped)
    return Stream(
        _parts(rows, fetch, render, key, enveloped=enveloped),
        media_type=JSON,
        headers={"Cache-Control": "no-store"},
    )


def _whole(values: list[Any], headers: dict[str, str], *, enveloped: bool) -> Answer:
    if enveloped:
        return bare({"status": "success", "errorCode": 200, "data": values}, headers)
    return bare(values, headers)


async def _parts(
    rows: Sequence[Any], fetch: Fetch, render: Render, key: Callable[[Any], int], *,
    enveloped: bool,
) -> AsyncIterator[bytes]:  # fmt: skip
    yield b'{"status":"success","errorCode":200,"data":[' if enveloped else b"["
    separator = b""
    while rows:
        part = rows[:PART]
        yield separator + b",".join(_encode(render(row)) for row in part)
        separator = b","
        rows = await fetch(key(part[-1]), PART + 1) if len(rows) > PART else ()
    yield b"]}" if enveloped else b"]"
