"""The lane: the four device calls answered in front of the framework.

It recognises the usual request (POST, JSON, one body, a token that is known) and answers it with
bytes encoded once; whatever is unusual in the least falls through to the same calls declared as
ordinary routes, which give the same answers more slowly. It declares no route and spells no error
of its own.
"""

import time
from typing import Final

import structlog

from farebox.api.services import Services
from farebox.api.vending import dialect
from farebox.api.vending.device_calls import VERBS, DeviceCalls
from farebox.domain.errors import DomainError
from farebox.engine.calls import Answer
from farebox.web import ASGI, Receive, Scope, Send

PREFIX: Final = b"/vending/voucher/"
BODY_BYTES_MAX: Final = dialect.BODY_BYTES_MAX
_OPS: Final = {verb.encode(): op for verb, op in VERBS.items()}
_INTERNAL: Final = b'{"message":"Something went wrong on our side","code":"internal"}'
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")
_REPLAYED: Final = (b"idempotent-replayed", b"true")
log = structlog.get_logger("farebox.api")


class Lane:
    """An ASGI callable around the framework's."""

    def __init__(self, app: ASGI, services: Services, calls: DeviceCalls | None = None) -> None:
        self._app = app
        self._services = services
        self._calls = calls
        self._counted = {
            op: services.metrics.counted(f"/vending/voucher/{{voucher}}/{verb}", "POST")
            for verb, op in VERBS.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a device call, or passes the request on untouched."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        raw: bytes = scope["raw_path"]
        if not raw.startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        code, _, verb = raw[len(PREFIX) :].rpartition(b"/")
        op = _OPS.get(verb)
        if op is None or not code or b"/" in code:
            await self._app(scope, receive, send)
            return
        authorization = media_type = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                media_type = value
            elif name == b"content-length":
                if len(value) > 7 or int(value) > BODY_BYTES_MAX:
                    await self._app(scope, receive, send)
                    return
            elif name == b"transfer-encoding" or name == b"expect":
                await self._app(scope, receive, send)
                return
        if not media_type.startswith(b"application/json"):
            await self._app(scope, receive, send)
            return
        caller = self._services.access.known(authorization.decode("latin-1"))
        if caller is None:
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if caller.kind == "device" and self._services.presence is not None:
            self._services.presence.note(caller.machine)
        calls = self._calls
        if calls is None:
            calls = self._calls = DeviceCalls(self._services)
        started_s = time.perf_counter()
        try:
            answer = await calls.serve(op, code, caller, body)
        except DomainError as error:
            status = await _refuse(error, send)
        except Exception:
            # Nobody meant to raise this: it is logged and told as any such error of this API.
            log.exception("unexpected error", route=verb.decode())
            status = 500
            await _reply(Answer(500, _INTERNAL), send)
        else:
            status = answer.status
            await _reply(answer, send)
        self._counted[op](status, time.perf_counter() - started_s)


async def _reply(answer: Answer, send: Send) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(answer.body))]
    if answer.replayed:
        headers.append(_REPLAYED)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _refuse(error: DomainError, send: Send) -> int:
    refusal = dialect.refusal(error)
    body = bytes(refusal.content)
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": refusal.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return refusal.status_code or 500
