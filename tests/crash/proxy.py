"""A TCP proxy in front of PostgreSQL that loses connections at the worst moment.

A cut forwards what the client has just sent, lets the server work on it for a moment and closes
the client's side without the answer: whatever was committed, the client does not know. A held
message reaches the server only after its client has gone. It does not parse the protocol and does
not delay what it neither cuts nor holds.
"""

import asyncio
import contextlib
import random

# Only long messages, as a commit is: the small ones set a connection up or end it.
LONG_MIN = 300
GONE = (ConnectionError, OSError, asyncio.IncompleteReadError)


class Held:
    """One message under way for as long as a test wants."""

    def __init__(self) -> None:
        self.arrived, self._cut, self._released, self._done = (asyncio.Event() for _ in range(4))

    def cut(self) -> None:
        """The client loses its connection; the message goes on."""
        self._cut.set()

    async def release(self) -> None:
        """The message reaches the server; returns when the server has done with it."""
        self._released.set()
        await self._done.wait()

    async def deliver(
        self,
        data: bytes,
        client: asyncio.StreamWriter,
        above: asyncio.StreamReader,
        below: asyncio.StreamWriter,
    ) -> None:
        """The way of the message, step by step as the test allows."""
        self.arrived.set()
        await self._cut.wait()
        client.close()
        await self._released.wait()
        try:
            below.write(data)
            below.write_eof()
            while await above.read(65536):
                pass
        finally:
            self._done.set()


class Proxy:
    """Listens on a free local port and forwards to a Unix socket or a (host, port)."""

    def __init__(self, upstream: str | tuple[str, int], seed: int) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._cut_next, self._cut_min = 0, LONG_MIN
        self._held: Held | None = None
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

    def cut(self, connections: int = 1, *, longer_than: int = LONG_MIN) -> None:
        """The next `connections` that send anything long lose their answer to it."""
        self._cut_next, self._cut_min = connections, longer_than

    def hold(self) -> "Held":
        """The next message is held back: it is still on its way when its client is cut off."""
        self._held = Held()
        return self._held

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
                if self._held is not None and len(data) > LONG_MIN:
                    held, self._held = self._held, None
                    down.cancel()
                    await held.deliver(data, writer, above, below)
                    return
                below.write(data)
                await below.drain()
                if self._cut_next and len(data) > self._cut_min:
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
