"""What a call that changes something leaves behind (isp.md 1.2, 4.10).

An entry in the audit log, whether it succeeded or was refused, and under an Idempotency-Key its
answer: the same caller, operation and key get it again for 24 hours, byte for byte. Both are
written in the transaction of the effect; a refusal takes back the effect and leaves them. Answers
that say "not now" are not kept.
"""

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from farebox.api.isp.dialect import Answer, Call, HTTPRequest, refusal
from farebox.domain.errors import (
    ConflictError,
    DomainError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
)
from farebox.storage import idempotency
from farebox.storage.joining import joined
from farebox.storage.pool import Connection, transaction

if TYPE_CHECKING:
    from farebox.api.isp.blueprint import Operation

KEY_CHARS_MAX: Final = 128
_HEADER: Final = "Idempotency-Key"
_fingerprint = msgspec.json.Encoder(order="deterministic").encode


async def recorded(request: HTTPRequest, call: Call, operation: "Operation") -> Answer:
    """The answer of an operation, recorded."""
    if operation.far:
        answer = await _answered(call, operation)
        await _note(call, operation, answer)
        return answer
    key = _key(request) if operation.repeatable else None
    async with transaction(call.services.pool) as connection:
        with joined(connection):
            if key is None:
                answer = await _attempt(connection, call, operation)
                await _note(call, operation, answer)
                return answer
            return await _once(connection, call, operation, key)


async def _once(connection: Connection, call: Call, operation: "Operation", key: str) -> Answer:
    owner = f"isp:{call.caller.token}:{operation.id}"
    asked = hashlib.sha256(_fingerprint([call.account.id, call.values])).digest()
    kept = await idempotency.claim(connection, owner, key, asked, call.now_ms)
    if kept is not None:
        if kept.request_hash != asked:
            raise ConflictError("This key was used for another request", "idempotency_mismatch")
        headers = dict(kept.headers)
        media_type = headers.pop("Content-Type")
        return Answer(kept.body, status_code=kept.status, headers=headers, media_type=media_type)
    answer = await _attempt(connection, call, operation)
    await _note(call, operation, answer)
    status = answer.status_code or 200
    if status == 429 or status >= 500 or b'"user_busy"' in answer.content:
        await idempotency.drop(connection, owner, key)
    else:
        headers = {**answer.headers, "Content-Type": answer.media_type or ""}
        await idempotency.keep(
            connection, owner, key, idempotency.Kept(asked, status, headers, answer.content)
        )
    return answer


async def _attempt(connection: Connection, call: Call, operation: "Operation") -> Answer:
    """The answer; a refusal has changed nothing."""
    try:
        async with connection.transaction():
            return await operation.run(call)
    except (UnavailableError, RateLimitedError):
        raise
    except DomainError as refused:
        return refusal(refused)


async def _answered(call: Call, operation: "Operation") -> Answer:
    try:
        return await operation.run(call)
    except DomainError as refused:
        return refusal(refused)


async def _note(call: Call, operation: "Operation", answer: Answer) -> None:
    body = msgspec.json.decode(answer.content)
    outcome = body.get("error", "success") if isinstance(body, dict) else "success"
    await call.services.provider.audit.note(
        call.caller, call.account, call.client, operation.id, _target(call), outcome
    )


def _target(call: Call) -> str:
    target = call.values.get("userId", "")
    return str(target)[:200]


def _key(request: HTTPRequest) -> str | None:
    key: str | None = request.headers.get(_HEADER)
    if key is not None and not (1 <= len(key) <= KEY_CHARS_MAX and key.isprintable()):
        raise InvalidError(
            f"{_HEADER} must have 1 to {KEY_CHARS_MAX} printable characters", "invalid_argument"
        )
    return key
