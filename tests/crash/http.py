"""A small HTTP client for storms: one kept connection, no retries, every doubt is `UnknownError`.

It sends a request once. Whatever goes wrong after the first byte has left is an unknown outcome;
what to do about that is the caller's decision.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


class UnknownError(Exception):
    """No complete answer arrived: the call may or may not have taken effect."""


class GivenUpError(UnknownError):
    """The answer took too long: a living server may still work on the call."""


class RefusedError(UnknownError):
    """Nobody listens: the call has certainly not taken effect."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection to one server, opened when needed."""

    def __init__(
        self, host: str, port: int, authorization: str = "", patience_s: float = 10
    ) -> None:
        self._address = (host, port)
        self._host = f"{host}:{port}"
        self.authorization = authorization
        # How to get a new authorization when this one has grown old.
        self.renew: Callable[[str], Awaitable[str]] | None = None
        self._patience_s = patience_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def move(self, port: int) -> None:
        """From now on talks to another port."""
        self.close()
        self._address = (self._address[0], port)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def request(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """One call; `raw` is sent as it is, `body` as JSON."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        told = {
            "Host": self._host,
            "Content-Length": str(len(data)),
            **({"Content-Type": "application/json"} if data else {}),
            **({"Authorization": self.authorization} if self.authorization else {}),
            **(headers or {}),
        }
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in told.items())
        try:
            async with asyncio.timeout(self._patience_s):
                if self._streams is None:
                    await self._open()
                return await self._exchange(head.encode("latin-1") + b"\r\n" + data)
        except RefusedError:
            raise
        except TimeoutError as error:
            self.close()
            raise GivenUpError(f"{method} {path}") from error
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise UnknownError(f"{method} {path}: {error!r}") from error

    async def post(self, path: str, body: Any) -> Response:
        return await self.request("POST", path, body)

    async def _open(self) -> None:
        try:
            self._streams = await asyncio.open_connection(*self._address, limit=2**22)
        except OSError as error:
            raise RefusedError(str(error)) from error

    async def _exchange(self, message: bytes) -> Response:
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        if headers.get("transfer-encoding") == "chunked":
            body = await self._chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Response(int(head[0].split(" ")[1]), headers, body)

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> bytes:
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
