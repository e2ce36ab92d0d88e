"""A TCP proxy in front of PostgreSQL that loses connections at the worst moment.

A cut forwards what the client has just sent, lets the server work on it for a moment and closes
the client's side without the answer: whatever was committed, the client does not know. It does not
parse the protocol and does not delay what it does not cut.
"""

import asyncio
import contextlib
import random

GONE = (ConnectionError, OSError, asyncio.IncompleteReadError)


class Proxy:
    """Listens on a free local port and forwards to a Unix socket or a (host, port)."""

    def __init__(self, upstream: str | tuple[str, int], seed: int) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._cut_next = 0
        self.port = 0
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self, connections: int = 1) -> None:
        """The next `connections` that send anything lose their answer to it."""
        self._cut_next = connections

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            await self._link(reader, writer)
        except (*GONE, asyncio.CancelledError):
            # Cut off, or the run has ended; either way nobody waits for this task.
            pass
        finally:
            self._links.discard(task)
            writer.close()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._upstream, str):
            above, below = await asyncio.open_unix_connection(self._upstream)
        else:
            above, below = await asyncio.open_connection(*self._upstream)
        down = asyncio.create_task(self._copy(above, writer))
        try:
            while data := await reader.read(65536):
                below.write(data)
                await below.drain()
                # Only long messages: the small ones set a connection up or end it.
                if self._cut_next and len(data) > 500:
                    self._cut_next -= 1
                    self.cuts += 1
                    down.cancel()
                    await asyncio.sleep(self._random.choice((0.0, 0.002, 0.02)))
                    return
        finally:
            down.cancel()
            with contextlib.suppress(*GONE):
                below.close()

    @staticmethod
    async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except GONE:
            pass
        sink.close()
