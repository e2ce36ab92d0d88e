"""Valid calls, bent at random: `python -m tests.api.mutate [COUNT] [SEED] [FAMILY]`.

Without arguments 100 000 calls of the vending API. A call is bent in its bytes, in its members, in
its query or in its path, and sent in any of the encodings that its API takes. Whatever comes back
must be an answer that the API documents: never a defect, an error in the documented shape, and
nothing written by an error. What is special to an API is a `Family` in `tests/api/mutated/`.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes, urlencode

import httpx

from tests.api.conftest import Api
from tests.servers import Databases, PostgreSQL

# After so many calls those who call sign in again, and what calls have used up is there again.
STRETCH = 500
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -0.0, 2**31, 2**63, 2**64, 10**40, "", " ", "\x00",
    "x" * 129, "x" * 5000, "1", "-1", "9" * 19, "\ud800", "é", "😀", "NaN", [], {}, [[]], [None],
    {"": None}, {"amount": {}}, "2026-02-30", "2026-13-01", "9999-12-31", "0001-01-01",
    "2026-12-31T23:59:60", "Europe/Nowhere", "../../etc/passwd", "'; drop table x; --",
)  # fmt: skip
TEXTS = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"01", b"0x10", b"\xff\xfe", b"\x00", b"//")
SEGMENTS = ("0", "-1", "x", "99999999999999999999", "%00", "%ff", "1.5", "é", "%2F", "")
MEDIA_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=bend",
}
ODD_MEDIA_TYPES = ("", "text/plain", "application/jsonx", "a/b;;", "\t", "multipart/form-data")
# Everything in a schema as one number that changes when anything does.
CONTENT = "select concat(count(*), ' ', sum(hashtextextended(t::text, 0))) from {} t"


@dataclass(frozen=True)
class Valid:
    """A call that is in order: who makes it, and what with."""

    who: str
    method: str
    path: str
    body: Any = None
    query: str = ""
    # Of a body that is a text as it stands.
    media_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is special to the calls of one API.

    `opened` gives the application, `prepare` the calls that are in order, after it has written what
    they are about; `renew` gives the headers of those who call, and may restore the rows.
    `fault_of` says what is wrong with an answer. Nothing may have been written by an error: either
    `written` selects what would tell, or all tables of `schema` but those `unwatched` are looked
    at. `is_far` says which answers came from a far side, after which something may stand.
    `sends_keys` gives every call an Idempotency-Key of its own.
    """

    prefix: str
    opened: Callable[[Databases, Path], AbstractAsyncContextManager[Api]]
    prepare: Callable[[Api], Awaitable[list[Valid]]]
    renew: Callable[[Api], Awaitable[Mapping[str, Mapping[str, str]]]]
    fault_of: Callable[[httpx.Response], str | None]
    is_far: Callable[[httpx.Response], bool] = lambda _: False
    encodings: tuple[str, ...] = ("json",)
    written: str = ""
    schema: str = ""
    unwatched: tuple[str, ...] = ()
    sends_keys: bool = False


@dataclass
class Tally:
    """What came back, and what should not have."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members of a JSON value."""
    found = [here]
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, inner in pairs:
        found += places(inner, (*here, name))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with one member replaced."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def bend_members(rng: random.Random, body: Any) -> Any:
    """One or two members replaced by something odd."""
    for _ in range(rng.randint(1, 2)):
        body = replaced(body, rng.choice(places(body)), rng.choice(ODD))
        if not isinstance(body, dict | list) or not body:
            break
    return body


def bend_bytes(rng: random.Random, text: bytes) -> bytes:
    """A few bytes changed, removed, added, repeated or cut off."""
    data = bytearray(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1) if data else 0
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at : at + rng.randint(1, 4)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 3))
        elif kind == 3:
            data[at:at] = rng.choice(TEXTS)
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 20)]
        else:
            del data[at:]
    return bytes(data)


def bend_path(rng: random.Random, path: str) -> str:
    """A segment with a digit, else the last one, replaced or bent."""
    parts = path.split("/")
    numbered = [at for at, part in enumerate(parts) if any(one.isdigit() for one in part)]
    at = rng.choice(numbered or [len(parts) - 1])
    if rng.random() < 0.5:
        parts[at] = quote(rng.choice(SEGMENTS), safe="%")
    else:
        parts[at] = quote_from_bytes(bend_bytes(rng, unquote_to_bytes(parts[at])), safe="")
    return "/".join(parts)


def encoded(body: Any, encoding: str) -> bytes:
    """A body's bytes; what a form cannot say is said in its texts."""
    if encoding == "json":
        return json.dumps(body).encode()
    pairs = list(_pairs(body))
    if encoding == "form":
        return urlencode(pairs, errors="replace").encode()
    lines = "".join(
        f'--bend\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in pairs
    )
    return f"{lines}--bend--\r\n".encode(errors="replace")


def _pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Names with PHP's brackets and their texts."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in members:
            yield from _pairs(inner, f"{name}[{key}]" if name else str(key))
    elif name:
        yield name, value if isinstance(value, str) else json.dumps(value).strip('"')


def bent(
    rng: random.Random, call: Valid, encodings: tuple[str, ...] = ("json",)
) -> tuple[str, bytes, dict[str, str]]:
    """Path with query, body and headers of a call that was in order."""
    if call.query:
        query = bend_bytes(rng, call.query.encode())
        return f"{call.path}?{quote(query, safe='[]=&{}:,%')}", b"", {}
    if call.body is None:
        return bend_path(rng, call.path), b"", {}
    if call.media_type:
        data = bend_bytes(rng, call.body.encode())
        return call.path, data, {"Content-Type": call.media_type}
    path, encoding, dice = call.path, rng.choice(encodings), rng.random()
    headers = {"Content-Type": MEDIA_TYPES[encoding]}
    data = encoded(bend_members(rng, call.body) if dice < 0.45 else call.body, encoding)
    if 0.45 <= dice < 0.92:
        data = bend_bytes(rng, data)
    elif 0.92 <= dice < 0.96:
        path = bend_path(rng, path)
    elif 0.96 <= dice:
        headers["Content-Type"] = rng.choice(ODD_MEDIA_TYPES)
    return path, data, headers


async def written_in(api: Api, family: Family) -> str:
    """The statement that tells whether anything was written."""
    if family.written:
        return family.written
    tables = await api.services.pool.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname = $1 and not tablename = any($2) order by 1",
        family.schema, list(family.unwatched),
    )  # fmt: skip
    names = ["farebox.outbox", *(row["name"] for row in tables)]
    return "select array[" + ",".join(f"({CONTENT.format(name)})" for name in names) + "]"


async def run(api: Api, family: Family, count: int, seed: int) -> Tally:
    """Sends `count` bent calls, one after another, and looks at the tables after each."""
    calls, rng, tally = await family.prepare(api), random.Random(seed), Tally()
    statement = await written_in(api, family)
    callers: Mapping[str, Mapping[str, str]] = {}
    written = None
    for number in range(count):
        if number % STRETCH == 0:
            callers = await family.renew(api)
            written = await api.services.pool.fetchrow(statement)
        call = rng.choice(calls)
        path, data, headers = bent(rng, call, family.encodings)
        told = f"{call.method} {path} {data[:300]!r} {headers}"
        if family.sends_keys:
            headers["Idempotency-Key"] = f"call {number}"
        try:
            answer = await api.client.request(
                call.method,
                f"{family.prefix}{path}",
                content=data,
                headers={**headers, **callers[call.who]},
            )
        except httpx.InvalidURL:
            continue
        except Exception as error:  # noqa: BLE001 - the application let an exception out
            tally.faults.append(f"{told}: raised {error!r}")
            continue
        tally.statuses[answer.status_code] += 1
        if fault := family.fault_of(answer):
            tally.faults.append(f"{told}: {fault}: {answer.status_code} {answer.text[:300]}")
        now = await api.services.pool.fetchrow(statement)
        if answer.status_code >= 400 and not family.is_far(answer) and now != written:
            tally.faults.append(f"{told}: {answer.status_code}, but something was written")
        written = now
    return tally


@asynccontextmanager
async def standing(name: str = "vending") -> AsyncIterator[Api]:
    """The application on a server of its own, for runs outside pytest."""
    server = PostgreSQL()
    databases = Databases(await asyncio.to_thread(server.start), "mutate")
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with family_of(name).opened(databases, Path(folder)) as api:
                yield api
    finally:
        await asyncio.to_thread(databases.close)
        await asyncio.to_thread(server.stop)


def family_of(name: str) -> Family:
    """What `tests/api/mutated/` says of a family."""
    family: Family = import_module(f"tests.api.mutated.{name}").FAMILY
    return family


async def main(count: int, seed: int, name: str) -> int:
    async with standing(name) as api:
        tally = await run(api, family_of(name), count, seed)
    sys.stdout.writelines(f"{fault}\n" for fault in tally.faults[:50])
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
    sys.stdout.write(f"{count} calls, seed {seed}, {len(tally.faults)} faults ({statuses})\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.isdigit()] or ["vending"]
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    count, seed = (given + [100_000, int.from_bytes(os.urandom(4))][len(given) :])[:2]
    sys.exit(asyncio.run(main(count, seed, words[0])))
