"""What a call that changes something leaves behind (isp.md 1.2, 4.10).

An entry in the audit log, whether it succeeded or was refused, and under an Idempotency-Key its
answer: the same caller, operation and key get it again for 24 hours, byte for byte. Both are
written in the transaction of the effect; a refusal takes back the effect and leaves them. Answers
that say "not now" are not kept.

An operation that waits for other machines keeps the answer "queued" with its effect, before it
tries; a definite refusal of the far side takes that back.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.response import Stream

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
from farebox.storage.pool import Connection, storage_errors, transaction

if TYPE_CHECKING:
    from farebox.api.isp.blueprint import Operation

KEY_CHARS_MAX: Final = 128
_HEADER: Final = "Idempotency-Key"
_fingerprint = msgspec.json.Encoder(order="deterministic").encode


async def recorded(request: HTTPRequest, call: Call, operation: "Operation") -> Answer:
    """The answer of an operation, recorded."""
    key = _key(request) if operation.repeatable else None
    kept = None if key is None else _Keeper(call, operation, key)
    if operation.far:
        answer = await _answered(call, operation) if kept is None else await kept.far()
        await _note(call, operation, answer)
        return answer
    async with transaction(call.services.pool) as connection:
        with joined(connection):
            if kept is not None:
                return await kept.once(connection)
            answer = await _attempt(connection, call, operation)
            await _note(call, operation, answer)
            return answer


class _RepeatedError(Exception):
    """Somebody else has had the effect; this one must not."""


class _Keeper:
    """One call and the answer that is kept for it."""

    def __init__(self, call: Call, operation: "Operation", key: str) -> None:
        self._call = call
        self._operation = operation
        self._place = (f"isp:{call.caller.token}:{operation.id}", key)
        self._asked = hashlib.sha256(_fingerprint([call.account.id, call.values])).digest()

    async def once(self, connection: Connection) -> Answer:
        """The kept answer, or that of the effect, in one transaction."""
        kept = await self._claim(connection)
        if kept is not None:
            return self._again(kept)
        answer = await _attempt(connection, self._call, self._operation)
        await _note(self._call, self._operation, answer)
        if _is_kept(answer):
            await self._keep(connection, answer)
        else:
            await idempotency.drop(connection, *self._place)
        return answer

    async def far(self) -> Answer:
        """The same where the effect commits before its outcome is known."""
        pool, is_claimed = self._call.services.pool, False

        async def claim(connection: Connection, answer: Answer) -> None:
            nonlocal is_claimed
            if await self._claim(connection) is not None:
                raise _RepeatedError
            await self._keep(connection, answer)
            is_claimed = True

        if (kept := await self._found()) is not None:
            return self._again(kept)
        call = msgspec.structs.replace(self._call, keep=claim)
        try:
            answer = await _answered(call, self._operation)
            if not is_claimed and _is_kept(answer):
                async with transaction(pool) as connection:
                    await claim(connection, answer)
        except _RepeatedError:
            kept = await self._found()
            if kept is None:
                raise UnavailableError("The same request has just failed", "busy") from None
            return self._again(kept)
        if is_claimed and not _is_kept(answer):
            async with storage_errors():
                await idempotency.drop(pool, *self._place)
        return answer

    async def _found(self) -> idempotency.Kept | None:
        async with storage_errors():
            pool = self._call.services.pool
            return await idempotency.find(pool, *self._place, self._call.now_ms)

    async def _claim(self, connection: Connection) -> idempotency.Kept | None:
        try:
            return await idempotency.claim(connection, *self._place, self._asked, self._call.now_ms)
        except ConflictError as error:
            # A twin is at work for longer than anybody waits.
            raise ConflictError(error.message, "user_busy") from error

    async def _keep(self, connection: Connection, answer: Answer) -> None:
        headers = {**answer.headers, "Content-Type": answer.media_type or ""}
        kept = idempotency.Kept(self._asked, answer.status_code or 200, headers, answer.content)
        await idempotency.keep(connection, *self._place, kept)

    def _again(self, kept: idempotency.Kept) -> Answer:
        if kept.request_hash != self._asked:
            raise ConflictError("This key was used for another request", "idempotency_mismatch")
        headers = dict(kept.headers)
        media_type = headers.pop("Content-Type")
        return Answer(kept.body, status_code=kept.status, headers=headers, media_type=media_type)


def _is_kept(answer: Answer) -> bool:
    status = answer.status_code or 200
    return status < 500 and status != 429 and b'"user_busy"' not in answer.content


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


async def _note(call: Call, operation: "Operation", answer: Answer | Stream) -> None:
    outcome = "success"
    if not isinstance(answer, Stream) and (answer.status_code or 200) >= 400:
        outcome = msgspec.json.decode(answer.content)["error"]
    await call.services.provider.audit.note(
        call.caller, call.account, call.client, operation.id, _target(call.values), outcome
    )


def _target(values: dict[str, Any]) -> str:
    return str(values.get("userId", ""))[:200]


def _key(request: HTTPRequest) -> str | None:
    key: str | None = request.headers.get(_HEADER)
    if key is not None and not (1 <= len(key) <= KEY_CHARS_MAX and key.isprintable()):
        raise InvalidError(
            f"{_HEADER} must have 1 to {KEY_CHARS_MAX} printable characters", "invalid_argument"
        )
    return key
