"""Requests that may be sent twice: the Idempotency-Key header of vending-platform.md 1.7.

A POST that creates runs inside `once`. With the header, the same caller, key, route and body get
the first answer again for 24 hours; without it, `once` is nothing but a transaction. Use-cases that
open transactions on the services' pool take part in it. Only successes are kept.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from farebox.api.services import Services
from farebox.api.vending.dialect import Answer, Call, principal
from farebox.domain.errors import ConflictError, InvalidError
from farebox.storage import idempotency
from farebox.storage.joining import joined
from farebox.storage.pool import Connection, transaction

KEY_CHARS_MAX: Final = 255
_HEADER: Final = "Idempotency-Key"


async def once(
    request: Call, services: Services, run: Callable[[Connection], Awaitable[Answer]]
) -> Answer:
    """The answer of `run`, which writes on the connection it is given or on the services' pool."""
    key = request.headers.get(_HEADER)
    if key is None:
        async with transaction(services.pool) as connection:
            with joined(connection):
                return await run(connection)
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isprintable():
        reason = f"must have 1 to {KEY_CHARS_MAX} printable characters"
        raise InvalidError(f"{_HEADER} {reason}", fields={_HEADER: reason})
    owner, asked = principal(request).label, await _hash(request)
    async with transaction(services.pool) as connection:
        kept = await idempotency.claim(connection, owner, key, asked, services.clock())
        if kept is not None:
            return _again(kept, asked)
        with joined(connection):
            answer = await run(connection)
        if 200 <= (answer.status_code or 200) < 300:
            await idempotency.keep(connection, owner, key, _kept(asked, answer))
        else:
            await idempotency.drop(connection, owner, key)
        return answer


async def _hash(request: Call) -> bytes:
    route = f"{request.method} {request.scope['path']}?{request.scope['query_string'].decode()}\n"
    return hashlib.sha256(route.encode() + await request.body()).digest()


def _kept(asked: bytes, answer: Answer) -> idempotency.Kept:
    headers = {**answer.headers, "Content-Type": answer.media_type or ""}
    return idempotency.Kept(asked, answer.status_code or 200, headers, answer.content)


def _again(kept: idempotency.Kept, asked: bytes) -> Answer:
    if kept.request_hash != asked:
        raise ConflictError("This key was used for another request", "idempotency_conflict")
    headers = {**kept.headers, "Idempotent-Replayed": "true"}
    media_type = headers.pop("Content-Type")
    return Answer(kept.body, status_code=kept.status, headers=headers, media_type=media_type)
